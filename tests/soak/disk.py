"""`python -m tests.soak.disk`: delayed messages in rounds, and whether the broker's disk comes back.

Each round sends as many bytes through the delay ladder, at delays drawn from the seed, and waits until all have come
out. A broker that keeps what has passed through it grows with every round; it exits with 1 when the later rounds took
more than the earlier ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tools.stack.packages import RELEASES, own_release
from tools.stack.serverset import ServerSet
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message
from warren.pool import Pool
from warren.topology import delay_route, topology

POOL = Pool(name="cpu")
TOGETHER = 200
MOST_GROWTH = 1.25
"""How many times the disk of the first rounds the last ones may take: files are dropped whole, so it swings."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line."""
    options = _parser().parse_args(arguments)
    state = Path(tempfile.mkdtemp(prefix="warren-soak-disk-"))
    release = next((known for known in RELEASES if known.rabbitmq == options.rabbitmq), own_release())
    os.nice(5)
    try:
        with ServerSet.create(state, options.base, release).running() as servers:
            sizes = asyncio.run(_rounds(servers, options))
    finally:
        shutil.rmtree(state, ignore_errors=True)
    half = len(sizes) // 2
    grown = max(sizes[half:]) / max(sizes[:half])
    verdict = "PASS" if grown <= MOST_GROWTH else "FAIL"
    _say(f"{verdict}: the later rounds took {grown:.2f} times the disk of the earlier ones (at most {MOST_GROWTH})")
    return 0 if verdict == "PASS" else 1


async def _rounds(servers: ServerSet, options: argparse.Namespace) -> list[float]:
    await provision(topology([POOL]), servers.broker_url(), servers.management_url(), lambda _: None)
    broker, sizes = AmqpBroker(servers.broker_url()), []
    random = Random(options.seed)  # noqa: S311 - delays keep no secret
    try:
        for number in range(options.rounds):
            began = time.monotonic()
            delays = [random.uniform(1, options.longest) for _ in range(options.messages)]
            _, peak = await asyncio.gather(_through(broker, delays, options.bytes), _peak(servers, options.longest))
            sizes.append(peak)
            seconds, now = time.monotonic() - began, _mib(servers)
            _say(f"round {number + 1}: {seconds:.0f} s, at most {peak:.0f} MiB, now {now:.0f} MiB")
    finally:
        await broker.close()
    return sizes


async def _through(broker: AmqpBroker, delays: Sequence[float], size: int) -> None:
    """Send one message for each delay, and take them all out at the other end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_drained(broker, len(delays)))
        for chunk in _chunks(delays):
            await asyncio.gather(*(_send(broker, delay, size) for delay in chunk))


async def _send(broker: AmqpBroker, delay: float, size: int) -> None:
    exchange, key = delay_route(delay, POOL.name)
    await broker.publish(Message(bytes(size)), exchange=exchange, routing_key=key)


async def _drained(broker: AmqpBroker, count: int) -> None:
    async with broker.subscribe(POOL.queue, prefetch=TOGETHER) as subscription:
        async for delivery in subscription:
            await delivery.ack()
            count -= 1
            if not count:
                return


async def _peak(servers: ServerSet, seconds: float) -> float:
    """Return the most MiB that the broker's data took during the seconds."""
    deadline, peak = time.monotonic() + seconds, 0.0
    while time.monotonic() < deadline:
        peak = max(peak, _mib(servers))
        await asyncio.sleep(1)
    return peak


def _mib(servers: ServerSet) -> float:
    sizes = 0
    for path in servers.rabbitmq.spec.state.rglob("*"):
        try:
            sizes += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # it was dropped at this moment, which is what this is about
            continue
    return sizes / 1024**2


def _chunks(delays: Sequence[float]) -> Iterator[Sequence[float]]:
    return (delays[start : start + TOGETHER] for start in range(0, len(delays), TOGETHER))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it speaks to a person at a terminal


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.disk", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=8, help="how many rounds (default: %(default)s)")
    add("--messages", type=int, default=5000, help="messages a round (default: %(default)s)")
    add("--bytes", type=int, default=20_000, help="bytes a message (default: %(default)s)")
    add("--longest", type=float, default=20, help="the longest delay in seconds (default: %(default)s)")
    add("--seed", type=int, default=4711, help="of the delays (default: %(default)s)")
    add("--rabbitmq", choices=[release.rabbitmq for release in RELEASES], help="the line of RabbitMQ")
    add("--base", type=int, default=27000, help="the first of its ports (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
