"""The evenest way to serve a trace within the target: the fewest changes of how many slots work at a time.

The work that is done by a time lies between what can be done by then, were each task begun as it comes, and what must
be, were each begun as late as the target allows. A string that is pulled tight between the two bends only where it has
to. It is looked for at whole steps of time.

Forbidden here: replicas, and what they cost.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from warren_operator.rehearsal.trace import Trace

STEPS: Final = 10
"""The target is looked at in so many steps ..."""
MOST_STEPS: Final = 100_000
"""... and the whole trace in no more than so many."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which the same number of slots works."""

    begin: float
    end: float
    slots: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin


def evenest(trace: Trace, target_seconds: float) -> list[Stretch]:
    """Return how many slots work when."""
    ends = sorted(at + service for at, service in zip(trace.arrivals, trace.services, strict=True))
    step = max(target_seconds / STEPS, (ends[-1] + target_seconds) / MOST_STEPS)
    late = max(1, int(target_seconds / step))
    most = _doable(trace.arrivals, ends, step)
    most.extend([most[-1]] * late)
    least = array("d", [0.0]) * late + most[:-late]
    return [
        Stretch(begin * step, end * step, (most_done - done) / ((end - begin) * step))
        for (begin, done), (end, most_done) in _tight(least, most)
    ]


def _doable(arrivals: Sequence[float], ends: Sequence[float], step: float) -> array[float]:
    """Return how much work can be done by each step of time, were each task begun as it comes."""
    work, now, active, come, gone = array("d", [0.0]), 0.0, 0, 0, 0
    done = 0.0
    for index in range(1, int(ends[-1] / step) + 2):
        until = index * step
        while come < len(arrivals) and arrivals[come] <= until:
            done += until - arrivals[come]
            come += 1
        while gone < len(ends) and ends[gone] <= until:
            done -= until - ends[gone]
            gone += 1
        work.append(done + active * (until - now))
        done, active, now = work[-1], come - gone, until
    return work


def _tight(least: Sequence[float], most: Sequence[float]) -> list[tuple[tuple[int, float], tuple[int, float]]]:
    """Return the straight pieces of the string between the two, from (step, work) to (step, work)."""
    pieces, begin, last = [], (0, 0.0), len(most) - 1
    while begin[0] < last:
        end = _straight(least, most, begin)
        pieces.append((begin, end))
        begin = end
    return pieces


def _straight(least: Sequence[float], most: Sequence[float], begin: tuple[int, float]) -> tuple[int, float]:
    """Return how far the string goes on straight."""
    at, done = begin
    low, high, lowest, highest = -1.0, float("inf"), begin, begin
    for index in range(at + 1, len(most)):
        under, over = (least[index] - done) / (index - at), (most[index] - done) / (index - at)
        if under > high:
            return highest
        if over < low:
            return lowest
        if under >= low:
            low, lowest = under, (index, least[index])
        if over <= high:
            high, highest = over, (index, most[index])
    return len(most) - 1, most[-1]
