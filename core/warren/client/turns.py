"""Places from which tasks are waited for: a bounded number, taken in turn by any number of waits.

A long poll keeps a connection for as long as it waits. So a client with thousands of waits would need as many
connections, or have none left for its other calls. Here each wait has a place for a while: for long while there is
room, briefly in a crowd. Who comes to a crowd by itself looks once before it queues: what has ended is known at once.

Forbidden here: how a task is looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from warren.client.documents import TaskDocument
from warren.client.gateway import POLL_SECONDS

PLACES: Final = 100
"""How many tasks are waited for side by side: one connection each."""

GLANCES: Final = 20
"""How many look without a place side by side, to come or to go: one connection each, for a moment."""

LEAST_SECONDS: Final = 1.0
"""The shortest wait that it can be asked for."""

Look = Callable[[float], Awaitable[TaskDocument]]
"""Returns how a task stands, when it has ended or when the seconds are over."""


class Turns:
    """The places of one client."""

    def __init__(self, pace: Callable[[], float]) -> None:
        """Take what tells how many looks a second a crowd may make."""
        self._pace = pace
        self._places = asyncio.Semaphore(PLACES)
        self._glances = asyncio.Semaphore(GLANCES)
        self._taken = 0

    async def until_ended(self, look: Look, seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over."""
        end = time.monotonic() + seconds
        crowded = self._places.locked() and not self._glances.locked()
        document = await self._glance(look) if crowded else None
        while document is None or not (document.status.terminal or time.monotonic() >= end):
            document = await self._turn(look, end)
        return document

    async def _glance(self, look: Look) -> TaskDocument:
        async with self._glances:
            return await look(0)

    async def _turn(self, look: Look, end: float) -> TaskDocument:
        """Look from a place; without one, if there is none in time."""
        try:
            async with asyncio.timeout(end - time.monotonic()):
                await self._places.acquire()
        except TimeoutError:
            return await self._glance(look)
        self._taken += 1
        try:
            return await look(max(0.0, min(end - time.monotonic(), self._share())))
        finally:
            self._taken -= 1
            self._places.release()

    def _share(self) -> float:
        """Return for how long a place is had; in a crowd, half of them at most are ever taken for long."""
        if self._taken <= PLACES // 2:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(LEAST_SECONDS, PLACES / self._pace()))
