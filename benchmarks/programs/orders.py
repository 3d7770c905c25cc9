"""Orders from the benchmark: a number on each line of standard input, an answer on each line of standard output.

Forbidden here: what is ordered.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import orjson

BROKER: Final = os.environ.get("BENCHMARK_BROKER", "")
STORE: Final = os.environ.get("BENCHMARK_STORE", "")
IN_FLIGHT: Final = 256
TEXT: Final = "about a hundred bytes, as most arguments of tasks have it: so many that it is neither none nor much"


async def obey(carry_out: Callable[[int], Awaitable[dict[str, float]]]) -> None:
    """Carry out each order until the input ends, with the garbage of the one before out of the way."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        gc.collect()
        answer = await carry_out(int(line))
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.flush()


async def many(call: Callable[[], Awaitable[object]], count: int, *, in_flight: int = IN_FLIGHT) -> dict[str, float]:
    """Make so many calls, with `in_flight` of them under way at any time; return the seconds that it took."""
    remaining = iter(range(count))

    async def one_after_another() -> None:
        for _ in remaining:
            await call()

    began = time.perf_counter()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, count)):
            group.create_task(one_after_another())
    return {"seconds": time.perf_counter() - began}


async def one_by_one(call: Callable[[], Awaitable[object]], count: int) -> dict[str, float]:
    """Make so many calls in turn; return the median and the 99th percentile of their seconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        took.append(time.perf_counter() - began)
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}
