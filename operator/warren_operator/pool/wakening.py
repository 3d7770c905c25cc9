"""What producers said of late and the figures do not show yet.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

from warren_operator.pool.observation import LATE_SECONDS


class Wakenings:
    """Which queues somebody publishes to, and how much waited in them when they were looked at for that."""

    def __init__(self, late_seconds: float = LATE_SECONDS) -> None:
        """Take for how long the figures may not show it."""
        self._late_seconds = late_seconds
        self._heard: dict[str, float] = {}
        self._counted: dict[str, tuple[float, int]] = {}

    def hear(self, queue: str, now: float) -> None:
        """Note that somebody publishes to the queue, whether or not a pool is known that serves it: one may be soon."""
        self._heard = {name: at for name, at in self._heard.items() if now - at < self._late_seconds}
        self._heard[queue] = now

    def count(self, queue: str, ready: int, now: float) -> None:
        """Note what the broker itself says waits in the queue at this moment."""
        self._counted[queue] = (now, ready)

    def heard(self, queue: str, now: float) -> bool:
        """Return whether somebody publishes to the queue."""
        return now - self._heard.get(queue, now - self._late_seconds) < self._late_seconds

    def ready(self, queue: str, known: int, unacked: int, now: float) -> int:
        """Return what waits in a queue whose consumers are not known yet: what is known of it, or more, if counted.

        What was counted waiting and is under way by now waits no longer.
        """
        at, counted = self._counted.get(queue, (now, 0))
        return max(known, counted - unacked) if now - at < self._late_seconds else known

    def sleep(self, queue: str) -> None:
        """Forget what was said before the pool is put to sleep: it must not wake it for what has been done."""
        self._heard.pop(queue, None)
        self._counted.pop(queue, None)
