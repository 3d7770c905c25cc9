"""Slots: how many tasks a consumer works on at once, and how one of them gets the consumer to itself.

Forbidden here: what the slots are for.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

ROOM_SECONDS: Final = 30.0
"""How long one waits for a slot: only those must that come behind one that is alone, or waits to be."""
AGAIN_SECONDS: Final = 1.0
"""How long it stays away when that was for nothing: other consumers may have room."""
ALONE_AGAIN_SECONDS: Final = 60.0
"""How long one stays away that must be alone, and that others left no room in time."""


class CrowdedError(Exception):
    """The slots did not come free in time; in so many seconds they may be asked for again."""

    def __init__(self, pause_seconds: float) -> None:
        super().__init__(f"no slots came free in time; ask again in {pause_seconds:g} s")
        self.pause_seconds = pause_seconds


class Slots:
    """A number of slots, given out first come, first served.

    Whoever asks for all of them waits until none is taken, and those that ask later wait behind: so the one is not
    starved by a stream of small requests.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(
        self, count: int, seconds: float = ROOM_SECONDS, pause_seconds: float = AGAIN_SECONDS
    ) -> AsyncIterator[None]:
        """Hold `count` slots, once they are free.

        Raises:
            CrowdedError: they were not within `seconds`; it names the pause.

        """
        if not await self._take(count, seconds):
            raise CrowdedError(pause_seconds)
        try:
            yield
        finally:
            self._give_back(count)

    async def _take(self, count: int, seconds: float) -> bool:
        if not self._waiting and self._free >= count:
            self._free -= count
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            self._leave(count, turn)
            return False
        except asyncio.CancelledError:
            self._leave(count, turn)
            raise
        return True

    def _leave(self, count: int, turn: asyncio.Future[None]) -> None:
        if (count, turn) in self._waiting:
            self._waiting.remove((count, turn))
        elif not turn.cancelled():
            self._free += count
        self._admit()

    def _give_back(self, count: int) -> None:
        self._free += count
        self._admit()

    def _admit(self) -> None:
        """Let in those whose turn it is. Who gave up in this very turn of the event loop has yet to leave."""
        while self._waiting and (self._waiting[0][1].cancelled() or self._free >= self._waiting[0][0]):
            count, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= count
                turn.set_result(None)


class ConsumerSlots(Slots):
    """The slots of a consumer, which one task at a time may have to itself.

    Free slots wait for that, and beside a long task they would be idle for hours. So who has waited for a while gives
    way, and for as long again nobody waits; the next one waits for twice as long. Slots are kept idle for half of the
    time at the most, and yet one comes to be alone in the end, however long the others go on.
    """

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._turn = Slots(1)
        self._patience = ROOM_SECONDS
        self._patient_from = -math.inf

    @asynccontextmanager
    async def all_taken(self) -> AsyncIterator[None]:
        """Hold all slots, once no other is taken.

        Raises:
            CrowdedError: others did not end in time.

        """
        async with self._turn.taken(1):
            patience = self._patience if time.monotonic() >= self._patient_from else 0.0
            try:
                async with self.taken(self.total, patience, ALONE_AGAIN_SECONDS):
                    self._patience = ROOM_SECONDS
                    yield
            except CrowdedError:
                if patience:
                    self._patient_from = time.monotonic() + patience
                    self._patience *= 2
                raise
