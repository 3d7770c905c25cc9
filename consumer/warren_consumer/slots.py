"""Slots: how many tasks a consumer works on at once, and how one of them gets the consumer to itself.

Forbidden here: what the slots are for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """A number of slots, given out first come, first served.

    Whoever asks for all of them waits until none is taken, and those that ask later wait behind: so the one is never
    starved by a stream of small requests.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, count: int) -> AsyncIterator[None]:
        """Hold `count` slots, once they are free."""
        await self._take(count)
        try:
            yield
        finally:
            self._give_back(count)

    async def _take(self, count: int) -> None:
        if not self._waiting and self._free >= count:
            self._free -= count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(count, turn)
            raise

    def _leave(self, count: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self._give_back(count)
            return
        self._waiting.remove((count, turn))
        self._admit()

    def _give_back(self, count: int) -> None:
        self._free += count
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._free >= self._waiting[0][0]:
            count, turn = self._waiting.popleft()
            self._free -= count
            turn.set_result(None)
