"""What the operator does again and again, whatever happens: rounds that a wish can hasten and no error can end.

Forbidden here: what a round does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import structlog

from warren.errors import WarrenError
from warren_operator.metrics import FAILED_TICKS, LAST_TICK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from warren.clock import SteadyClock

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")
_SHORTEST_PAUSE: Final = 0.2
"""Seconds between two rounds at least, however often somebody wishes for one: our own writes come back as events."""


class Round(Protocol):
    """One round's work."""

    async def __call__(self) -> None:
        """Look at everything once."""


async def each(work: Callable[[T], Awaitable[None]], things: Collection[T], at_once: int) -> None:
    """Do the work on each of the things, on so many at a time, in their order."""
    places = asyncio.Semaphore(at_once)

    async def do(thing: T) -> None:
        async with places:
            await work(thing)

    async with asyncio.TaskGroup() as tasks:
        for thing in things:
            tasks.create_task(do(thing))


class Loop:
    """Rounds at a steady pace; `hasten` brings the next one forward."""

    def __init__(self, name: str, work: Round, clock: SteadyClock, *, period: float) -> None:
        self.name = name
        self._work = work
        self._clock = clock
        self._period = period
        self._wish = asyncio.Event()
        self._ended = clock.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last round ended (or since the start)."""
        return self._clock.monotonic() - self._ended

    def hasten(self) -> None:
        """Let the next round begin soon."""
        self._wish.set()

    async def run(self) -> None:
        """Do rounds until canceled."""
        while True:
            self._wish.clear()
            await self._round()
            await asyncio.sleep(min(_SHORTEST_PAUSE, self._period))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wish.wait(), self._period)

    async def _round(self) -> None:
        try:
            await self._work()
        except WarrenError as error:
            FAILED_TICKS.labels(self.name).inc()
            _LOG.warning("a round was broken off", loop=self.name, reason=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001 - whatever it is, the next round may do better
            FAILED_TICKS.labels(self.name).inc()
            _LOG.exception("a round failed", loop=self.name)
        self._ended = self._clock.monotonic()
        LAST_TICK.labels(self.name).set(self._clock.now())
