"""Threads for plain functions: started when none is idle, and never waited for when the process ends.

A thread cannot be stopped from outside. The executor of the standard library would wait for a function that runs on
past its time limit, and let others queue behind it; these threads do neither. What runs on is counted, so that a
process can be replaced before too much of it piles up.

Forbidden here: what the functions do.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog

from warren.settlement import ordinary

_log = structlog.get_logger(__name__)
T = TypeVar("T")

AFTERWARDS_SECONDS: Final = 10.0
"""How long a function may run on once it was told to stop before it counts as stuck."""


class Threads:
    """As many threads as there are functions running, each used again when it is idle."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._left_behind: dict[asyncio.Future[Any], float] = {}

    @property
    def stuck(self) -> int:
        """How many functions run on, long after they were left behind."""
        bound = time.monotonic() - AFTERWARDS_SECONDS
        return sum(since <= bound for since in self._left_behind.values())

    async def run(self, function: Callable[[], T]) -> T:
        """Call the function in a thread, with this context's variables; a cancellation leaves it behind."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            outcome = _outcome(lambda: context.run(function), answer)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._end, answer, outcome)

        if not self._idle.acquire(blocking=False):  # first: without a thread, the job must not be left for another one
            threading.Thread(target=self._work, daemon=True, name="warren-function").start()
        self._jobs.put(job)
        try:
            return await answer
        except asyncio.CancelledError:
            self._left_behind[answer] = time.monotonic()
            _log.warning("a function runs on in its thread, told to stop", such_functions=len(self._left_behind))
            raise

    def _end(self, answer: asyncio.Future[Any], outcome: Callable[[], None]) -> None:
        self._left_behind.pop(answer, None)
        outcome()

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._idle.release()


def _outcome(call: Callable[[], T], answer: asyncio.Future[T]) -> Callable[[], None]:
    """Make the call, and return what brings its outcome to the future, if that still waits for it."""
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - see `ordinary`
        fault = ordinary(error)
        return lambda: None if answer.done() else answer.set_exception(fault)
    return lambda: None if answer.done() else answer.set_result(result)
