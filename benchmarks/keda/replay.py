"""A trace, replayed on a real queue while KEDA looks on, and what became of it.

Forbidden here: the model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractConnection

from benchmarks.curve import area, since
from benchmarks.keda.plane import Plane
from benchmarks.keda.workers import Workers, deployment, scaled_object
from tools.stack.serverset import ServerSet
from warren_operator.rehearsal.keda import POLLING_SECONDS
from warren_operator.rehearsal.rehearsal import Outcome
from warren_operator.rehearsal.trace import Trace

QUEUE: Final = "replayed"


@dataclass(frozen=True, slots=True)
class Setting:
    """What the real thing and the model have in common."""

    trace: Trace
    start_seconds: float
    """How long a pod takes to start."""
    value: float
    """KEDA's tasks per replica."""


async def replay(setting: Setting, plane: Plane, servers: ServerSet) -> Outcome:
    """Replay the trace and return what was seen until its last task came.

    Raises:
        ExceptionGroup: a watch or a worker has failed.

    """
    trace = setting.trace
    async with await aio_pika.connect(servers.broker_url()) as connection:
        async with connection.channel() as channel:
            await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        plane.apply(deployment(), scaled_object(QUEUE, servers.management_url(), setting.value))
        # The model's KEDA polls for the first time half a period after the beginning; the real one does so at once.
        begin = time.monotonic() + POLLING_SECONDS / 2
        workers = Workers(
            connection, QUEUE, trace.services, setting.start_seconds, clock=lambda: time.monotonic() - begin
        )
        async with _meanwhile(workers.follow_deployment(plane), workers.follow_pods(plane)):
            await _publish(connection, trace, begin)
    return _outcome(trace, workers)


async def _publish(connection: AbstractConnection, trace: Trace, begin: float) -> None:
    """Publish each task at its time, with the broker's confirm; a message's body is its number."""
    async with connection.channel() as channel:
        for number, at in enumerate(trace.arrivals):
            await asyncio.sleep(max(0.0, begin + at - time.monotonic()))
            message = aio_pika.Message(str(number).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, QUEUE)


@asynccontextmanager
async def _meanwhile(*followers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run them beside the block, and cancel them at its end; one that fails ends the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follower) for follower in followers]
        yield
        for task in tasks:
            task.cancel()


def _outcome(trace: Trace, workers: Workers) -> Outcome:
    waits = [workers.begun[number] - trace.arrivals[number] for number in sorted(workers.begun)]
    curve = since(0.0, workers.curve)
    unserved = len(trace.arrivals) - len(waits)
    return Outcome("KEDA", waits, unserved, area(curve, trace.seconds), curve, len(curve) - 1, trace.seconds)
