"""Since when queues have been empty, by figures that came without a break. What is not known is not empty.

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
        self._since: dict[str, float] = {}
        self._seen = 0.0

    def observe(self, depths: Mapping[str, int], now: float) -> None:
        """Note what the queues hold now; no figures at all are a break."""
        before = self._since if self._unbroken(now) else {}
        self._since = {queue: before.get(queue, now) for queue, depth in depths.items() if depth == 0}
        self._seen = now

    def seconds(self, queues: Iterable[str], now: float) -> float:
        """Return for how long all these queues have been empty; 0 if one is not, or that is not known."""
        if not self._unbroken(now):
            return 0.0
        return min(now - self._since.get(queue, now) for queue in queues)

    def _unbroken(self, now: float) -> bool:
        return now - self._seen <= LONGEST_GAP_SECONDS
