"""All duties of the system pool, side by side.

Forbidden here: the duties themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol


class Duty(Protocol):
    """One of the things that the system pool sees to."""

    @property
    def consuming(self) -> bool:
        """Whether it is being done, as far as a queue has to do with it."""

    async def run(self) -> None:
        """Do it, until cancelled; no fault of it may end it."""


class Duties:
    """The system pool's one member. Each of its steps may be cut off anywhere and is done again by the next."""

    def __init__(self, duties: Iterable[Duty]) -> None:
        self._duties = tuple(duties)
        self._running: asyncio.Task[None] | None = None

    @property
    def consuming(self) -> bool:
        """Whether all duties are being done."""
        running = self._running is not None and not self._running.done()
        return running and all(duty.consuming for duty in self._duties)

    async def run(self) -> None:
        """Do all duties until `stop`."""
        self._running = asyncio.create_task(self._all())
        await asyncio.wait({self._running})
        if not self._running.cancelled():
            self._running.result()

    async def stop(self) -> None:
        """Stop at once."""
        if self._running is not None:
            self._running.cancel()

    async def drain(self, *, finish_seconds: float, hurry: asyncio.Event, hand_back_seconds: float) -> None:  # noqa: ARG002 - a member of a pool is told all of it
        """Wait until the duties have stopped."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=hand_back_seconds)

    async def beat(self) -> None:
        """Renew leases: there are none that last."""

    async def look(self) -> None:
        """See what has become of what is at hand: nothing lasts."""

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for duty in self._duties:
                group.create_task(duty.run())
