"""Figures about tasks: `python -m benchmarks.tasks`, two minutes at most.

So far: confirmed submits per second through Warren's `Submitter`, beside a bare loop of confirmed publishes.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Final

import aio_pika
import redis
import uvloop
from rich.console import Console
from rich.progress import track

from benchmarks.figure import Figure, report
from benchmarks.machine import servers
from benchmarks.ratio import Pair, Ratio
from benchmarks.submitting import POOL, Submit, through_aio_pika, through_warren
from tools.stack.serverset import ServerSet
from warren.broker.provision import provision
from warren.pool import Pool
from warren.topology import topology

PAIRS: Final = 12
SUBMITS: Final = 3000
IN_FLIGHT: Final = 256
AT_LEAST: Final = 0.9


def main() -> int:
    """Measure, print and write; a figure that falls short is a finding, not a failure."""
    console = Console()
    with servers() as running:
        pairs = uvloop.run(_measure(running))
    figure = Figure("confirmed submits / bare aio-pika confirmed publishes", Ratio.of(pairs), AT_LEAST)
    path = report("tasks", [figure], console)
    ours, theirs = median(pair.ours for pair in pairs), median(pair.theirs for pair in pairs)
    console.print(
        f"{PAIRS} pairs of {SUBMITS} each, {IN_FLIGHT} in flight; medians {ours:.0f}/s and {theirs:.0f}/s. "
        f"Warren's side also wrote each task's record (appendfsync always).\n{path}",
        soft_wrap=True,
    )
    return 0


async def _measure(running: ServerSet) -> list[Pair]:
    await provision(topology([Pool(name=POOL)]), running.broker_url(), running.management_url(), lambda _: None)
    async with _emptied(running) as empty, through_warren(running) as ours, through_aio_pika(running) as theirs:
        pairs = []
        for _ in track(range(PAIRS + 1), "confirmed submits"):
            pairs.append(Pair(await _rate(ours), await _rate(theirs)))
            await empty()
    # The first pair warmed both up: connections, the store's scripts, the broker's segments.
    return pairs[1:]


async def _rate(submit: Submit) -> float:
    """Return how many submits a second were confirmed, with `IN_FLIGHT` of them under way at any time."""
    gc.collect()
    remaining = iter(range(SUBMITS))

    async def one_after_another() -> None:
        for _ in remaining:
            await submit()

    began = time.perf_counter()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(one_after_another())
    return SUBMITS / (time.perf_counter() - began)


@asynccontextmanager
async def _emptied(running: ServerSet) -> AsyncIterator[Submit]:
    """Yield a call that empties queue and store, so that no pair pays for the backlog of the one before."""
    async with await aio_pika.connect(running.broker_url()) as connection:
        queue = await (await connection.channel()).get_queue(Pool(name=POOL).queue)
        with redis.Redis.from_url(running.records_url) as store:

            async def empty() -> None:
                await queue.purge()
                store.flushall()

            yield empty


if __name__ == "__main__":
    sys.exit(main())
