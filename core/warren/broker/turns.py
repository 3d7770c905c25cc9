"""Turns: of all that bears one name, one at a time.

aiormq finds the publish that a returned message belongs to by its message id: with two of one id under way, one would
pass for confirmed that no queue has taken.

Forbidden here: what the turns are for, and any outside library.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Gives turns; what bears different names, or none, goes side by side."""

    def __init__(self) -> None:
        self._taken: dict[str, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def taken(self, name: str | None) -> AsyncIterator[None]:
        """Hold the turn of that name, once nobody else does."""
        if name is None:
            yield
            return
        while (other := self._taken.get(name)) is not None:
            await asyncio.wait({other})
        mine = self._taken[name] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._taken[name]
            mine.set_result(None)
