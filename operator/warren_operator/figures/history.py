"""How long each queue has been empty, by figures that were fresh all the while.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from warren_operator.figures import Figure


class EmptyQueues:
    """Since when queues have been empty. What is not known is not empty."""

    def __init__(self, fresh_seconds: float) -> None:
        self._fresh_seconds = fresh_seconds
        self._since: dict[str, float] = {}

    def observe(self, queues: Collection[str], figures: Mapping[str, Figure], now: float) -> None:
        """Note what the figures say about these queues."""
        for queue in queues:
            figure = figures.get(queue)
            fresh = figure is not None and figure.age <= self._fresh_seconds
            if figure is not None and fresh and figure.ready + figure.unacked == 0:
                self._since.setdefault(queue, now)
            else:
                self._since.pop(queue, None)

    def touch(self, queue: str) -> None:
        """Note that something was just published to the queue, which figures will show only later."""
        self._since.pop(queue, None)

    def seconds(self, queue: str, now: float) -> float:
        """Return for how long the queue has been empty; 0 if it is not, or that is not known."""
        return now - self._since.get(queue, now)
