"""One number from the counters of processes that come and go.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from warren_operator.figures import Figure

_MOST_PROCESSES: Final = 1000
"""A process that misses a scrape is not taken for a new one; of more than so many, those that left first are."""


class Counted:
    """How much of each queue was seen to be counted: tasks, or seconds.

    A process that is there and has counted nothing yet stands at 0, and so does one that was not seen before ...
    """

    def __init__(self, counts: Callable[[Figure], Mapping[str, float]], fresh_seconds: float) -> None:
        self._counts = counts
        self._fresh_seconds = fresh_seconds
        """... unless the queue itself has been seen for no longer than that: it may have missed the first scrapes."""
        self._begun: dict[str, float] = {}
        self._seen: dict[str, dict[str, float]] = {}
        self._absent: dict[str, Collection[str]] = {}
        """Those of them that the last look did not show."""
        self._totals: dict[str, float] = defaultdict(float)

    def observe(self, queues: Collection[str], figures: Mapping[str, Figure], now: float) -> None:
        """Add what was counted since the last call; a queue without figures stays as it is."""
        for queue in self._seen.keys() - set(queues):
            del self._seen[queue], self._absent[queue], self._begun[queue]
            self._totals.pop(queue, None)
        for queue in queues:
            figure = figures.get(queue)
            if figure is None or (figure.consumers is None and queue not in self._seen):
                continue
            before, new = self._seen.get(queue, {}), now - self._begun.setdefault(queue, now) <= self._fresh_seconds
            counts = self._counts(figure)
            for process, count in counts.items():
                last = before.get(process, count if new else 0.0)
                self._totals[queue] += _more(last, count, back=process in self._absent.get(queue, ()))
            known = {**before, **dict.fromkeys(figure.busy.keys() - before.keys(), 0.0)}
            absent = {process: count for process, count in known.items() if process not in counts}
            self._seen[queue] = dict([*absent.items(), *counts.items()][-_MOST_PROCESSES:])
            self._absent[queue] = absent.keys()

    def total(self, queue: str) -> float | None:
        """Return the number of one queue; None: its consumers have never told."""
        return self._totals[queue] if queue in self._seen else None


def _more(last: float, count: float, *, back: bool) -> float:
    """Return how much was counted since the last look: all of it by a process that has begun anew.

    One that is `back` and stands lower than when it left has. One that was there all the time and has fallen a little
    has not: one of several Prometheuses that share an address was asked which had scraped it earlier. That takes back
    what the other one told, and the next scrape brings it again.
    """
    anew = count < (last if back else last / 2)
    return count if anew else count - last
