"""Figures from Prometheus and, once it has been without them for a while, from the broker itself.

Forbidden here: third parties, what follows from the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from warren.errors import UnavailableError

if TYPE_CHECKING:
    from warren.clock import SteadyClock
    from warren_operator.figures import Figure, Figures


class ReserveFigures:
    """The first source's figures; for queues that it has no fresh ones of, after some patience, the second one's."""

    def __init__(self, first: Figures, second: Figures, clock: SteadyClock, *, fresh_seconds: float) -> None:
        self._first = first
        self._second = second
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._missing_since: dict[str, float] = {}

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures; those of the second source say why they are."""
        found, trouble = await self._ask(queues)
        missing = self._overdue(queues, found)
        if missing:
            found = {**found, **await self._instead(missing, trouble)}
        if trouble is not None and not found:
            raise trouble
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._first.close()
        await self._second.close()

    async def _ask(self, queues: Collection[str]) -> tuple[Mapping[str, Figure], UnavailableError | None]:
        try:
            return await self._first.read(queues), None
        except UnavailableError as error:
            return {}, error

    def _overdue(self, queues: Collection[str], found: Mapping[str, Figure]) -> frozenset[str]:
        """Return the queues that the first source has been silent about for longer than a figure stays fresh."""
        now = self._clock.monotonic()
        silent = {queue for queue in queues if queue not in found or found[queue].age > self._fresh_seconds}
        self._missing_since = {queue: self._missing_since.get(queue, now) for queue in silent}
        return frozenset(queue for queue, at in self._missing_since.items() if now - at >= self._fresh_seconds)

    async def _instead(self, queues: Collection[str], trouble: UnavailableError | None) -> Mapping[str, Figure]:
        why = trouble.detail if trouble else "Prometheus has no fresh figures of it"
        try:
            told = await self._second.read(queues)
        except UnavailableError:
            return {}  # what is wrong with the first one is to be told
        return {queue: replace(figure, instead=why) for queue, figure in told.items()}
