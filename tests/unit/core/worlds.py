"""Worlds in which records live: the records themselves and a clock that a test can move."""

from __future__ import annotations

from typing import Protocol

from warren.clock import ManualClock
from warren.records import Records
from warren.records.memory import MemoryRecords


class World(Protocol):
    """Records on a clock that can be moved."""

    records: Records

    def now(self) -> float:
        """Return how far the clock was moved."""

    def moment(self, time: float) -> float:
        """Return what stays the same of a record's time while the clock is moved."""

    def advance(self, seconds: float) -> None:
        """Move the clock."""

    async def close(self) -> None:
        """Let go of the records."""


class Memory:
    """Records in memory, on a clock that stands."""

    def __init__(self) -> None:
        self._clock = ManualClock()
        self._start = self._clock.now()
        self.records: Records = MemoryRecords(self._clock)

    def now(self) -> float:
        """Return how far the clock was moved."""
        return self._clock.now() - self._start

    def moment(self, time: float) -> float:
        """Return the time: it is not moved."""
        return time

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)

    async def close(self) -> None:
        """Let go of the records."""
        await self.records.close()
