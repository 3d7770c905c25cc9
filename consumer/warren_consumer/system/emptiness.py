"""Since when queues have been known, and empty, by figures that came without a break. What is not known is not empty.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

LONGEST_GAP_SECONDS: Final = 20.0
"""Between two figures further apart than this, anything may have been in a queue."""


class Emptiness:
    """What was observed of queues; times are seconds of any one clock."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self._empty: dict[str, float] = {}
        self._seen = 0.0

    def observe(self, depths: Mapping[str, int], now: float) -> None:
        """Note what the queues hold now; no figures at all are a break."""
        if not self._unbroken(now):
            self._known, self._empty = {}, {}
        self._known = {queue: self._known.get(queue, now) for queue in depths}
        self._empty = {queue: self._empty.get(queue, now) for queue, depth in depths.items() if depth == 0}
        self._seen = now

    def seconds(self, queues: Iterable[str], now: float) -> float:
        """Return for how long all these queues have been empty; 0 if one is not, or that is not known."""
        return self._shortest(self._empty, queues, now)

    def known_seconds(self, queues: Iterable[str], now: float) -> float:
        """Return for how long the broker has told of all these queues without a break, whatever they held."""
        return self._shortest(self._known, queues, now)

    def _shortest(self, since: Mapping[str, float], queues: Iterable[str], now: float) -> float:
        if not self._unbroken(now):
            return 0.0
        return min(now - since.get(queue, now) for queue in queues)

    def _unbroken(self, now: float) -> bool:
        return now - self._seen <= LONGEST_GAP_SECONDS
