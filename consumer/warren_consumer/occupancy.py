"""For how many seconds slots have been taken, all slots together: what no sample of the running tasks can tell.

Forbidden here: what follows from it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

BUSY_SECONDS: Final = "warren_consumer_busy_seconds"


class Occupancy(Collector):
    """The tasks that are being executed, and the integral of their number over time, exact whenever it is scraped."""

    def __init__(self, pool: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._lock = threading.Lock()  # whoever scrapes has a thread of its own
        self._running = 0
        self._seconds = 0.0
        self._counted_at = monotonic()

    @property
    def running(self) -> int:
        """Tasks that are being executed now."""
        return self._running

    @property
    def seconds(self) -> float:
        """Slot seconds taken so far, those of the tasks under way included; it only grows."""
        return self._count(0)

    def taken(self) -> Self:
        """Take a slot for as long as `with` this lasts."""
        return self

    def __enter__(self) -> None:
        """Take a slot."""
        self._count(1)

    def __exit__(self, *_: object) -> None:
        """Give a slot back."""
        self._count(-1)

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the counter as it is at this moment."""
        family = CounterMetricFamily(BUSY_SECONDS, "Seconds that slots were taken, all together", labels=("pool",))
        family.add_metric((self._pool,), self.seconds)
        yield family

    def _count(self, more: int) -> float:
        """Add what has passed, never what was added before: a counter that falls by a rounding passes for a restart."""
        with self._lock:
            now = self._monotonic()
            self._seconds += self._running * (now - self._counted_at)
            self._counted_at = now
            self._running += more
            return self._seconds
