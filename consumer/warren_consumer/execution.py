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
    loop = asyncio.get_running_loop()
    running, woken = loop.create_task(work), loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    # What `asyncio.wait` and a time limit do for any number, without their price.
    timer = loop.call_later(seconds, wake)
    running.add_done_callback(wake)
    stopped.add_done_callback(wake)
    try:
        await woken
    except asyncio.CancelledError:
        stop.set()
        running.cancel()
        raise
    finally:
        timer.cancel()
        stopped.remove_done_callback(wake)
    return _ending(running) if running.done() else await _end(running, seconds, stopped, stop)


async def _end(
    running: asyncio.Task[Payload], seconds: float, stopped: asyncio.Future[Stop], stop: threading.Event
) -> Ending:
    """Stop what was told to stop, or has no time left."""
    stop.set()
    await _cancel(running)
    if not stopped.done():
        return Faulted(DeadlineExceededError(seconds))
    if stopped.result() is Stop.SHUTDOWN and running.done() and not running.cancelled() and not running.exception():
        return Completed(running.result())
    return Stopped(stopped.result())


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
