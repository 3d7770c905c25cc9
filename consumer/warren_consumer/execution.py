"""One attempt: a handler run under its deadline, until it ends or is told to stop.

Forbidden here: the broker, the records, and what follows from an ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import structlog

from warren.settlement import DeadlineExceededError, shown
from warren.tasks import Payload
from warren_consumer.assignment import Stop

STOP_SECONDS: Final = 10.0
"""How long a handler may take to end once it is cancelled."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Completed:
    """The work is done."""

    result: Payload


@dataclass(frozen=True, slots=True)
class Faulted:
    """The attempt failed."""

    fault: Exception


@dataclass(frozen=True, slots=True)
class Stopped:
    """The work was told to stop."""

    reason: Stop


Ending = Completed | Faulted | Stopped


async def execute(
    work: Coroutine[Any, Any, Payload], *, seconds: float, stopped: asyncio.Future[Stop], stop: threading.Event
) -> Ending:
    """Run the work for at most `seconds` and say how it ended; cancelling this cancels the work.

    `stop` is set before the work is cancelled.
    """
    running = asyncio.create_task(work)
    try:
        await _first(running, stopped, seconds)
    except asyncio.CancelledError:
        stop.set()
        running.cancel()
        raise
    if running.done():
        return _ending(running)
    stop.set()
    await _cancel(running)
    if not stopped.done():
        return Faulted(DeadlineExceededError(seconds))
    if stopped.result() is Stop.SHUTDOWN and running.done() and not running.cancelled() and not running.exception():
        return Completed(running.result())
    return Stopped(stopped.result())


async def _first(running: asyncio.Task[Payload], stopped: asyncio.Future[Stop], seconds: float) -> None:
    """Wait for the one or the other, or until the time is up: what `asyncio.wait` does for any number, at its price."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    timer = loop.call_later(seconds, wake)
    running.add_done_callback(wake)
    stopped.add_done_callback(wake)
    try:
        await woken
    finally:
        timer.cancel()
        running.remove_done_callback(wake)
        stopped.remove_done_callback(wake)


async def _cancel(running: asyncio.Future[Payload]) -> None:
    running.cancel()
    _, left = await asyncio.wait({running}, timeout=STOP_SECONDS)
    if left:
        log.error("a handler did not stop when it was cancelled; it is left behind", seconds=STOP_SECONDS)
    elif not running.cancelled():
        running.exception()


def _ending(running: asyncio.Future[Payload]) -> Ending:
    if running.cancelled():
        return Faulted(RuntimeError("the handler was cancelled from within"))
    fault = running.exception()
    if fault is None:
        return Completed(running.result())
    return Faulted(fault if isinstance(fault, Exception) else RuntimeError(f"the handler raised {shown(fault)}"))
