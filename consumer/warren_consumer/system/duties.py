"""All duties of the system pool, side by side.

Forbidden here: the duties themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import structlog

from warren.errors import UnavailableError
from warren_consumer.system import overdue, sweeping

if TYPE_CHECKING:
    from warren.pool import Pool
    from warren_consumer.system.dead_letters import DeadLetters
    from warren_consumer.system.overdue import Overdue
    from warren_consumer.system.sweeping import Sweeping

log = structlog.get_logger(__name__)


class Duties:
    """The system pool's one member. Each of its steps may be cut off anywhere and is done again by the next."""

    def __init__(self, sweeper: Sweeping, late: Overdue, dead_letters: DeadLetters, pools: Iterable[Pool]) -> None:
        self._sweeping = sweeper
        self._overdue = late
        self._dead_letters = dead_letters
        self._pools = tuple(pools)
        self._running: asyncio.Task[None] | None = None

    @property
    def consuming(self) -> bool:
        """Whether the duties are being done."""
        return self._running is not None and not self._running.done()

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

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_every(sweeping.EVERY_SECONDS, self._sweeping.once))
            group.create_task(_every(overdue.EVERY_SECONDS, self._overdue.once))
            for pool in self._pools:
                group.create_task(self._dead_letters.drain(pool))


async def _every(seconds: float, duty: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await duty()
        except UnavailableError as error:
            log.warning("a duty is left for the next time", problem=error.detail)
        await asyncio.sleep(seconds)
