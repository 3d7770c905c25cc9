"""Time, as a thing that can be passed: the real clock, and one for tests and rehearsals that moves when told."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Return seconds since the epoch."""


class SteadyClock(Clock, Protocol):
    """A clock that durations can be measured with, too."""

    def monotonic(self) -> float:
        """Return seconds since some beginning: they never go back, whatever happens to the time of day."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some beginning."""
        return time.monotonic()


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._passed = 0.0

    def now(self) -> float:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds by which it was moved forward."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += seconds
        self._passed += seconds

    def jump(self, seconds: float) -> None:
        """Change the time of day alone, as who sets a clock does."""
        self._now += seconds
