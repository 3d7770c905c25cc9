"""How long a message would wait for a consumer: an estimate from what was seen of its queue in the last seconds.

Pure. What is not known stays unknown: it is never taken for an overload, nor for an empty queue.

Forbidden here: clocks, I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

BUSY_SECONDS: Final = 10.0
"""How much busy time the pace of consumers is taken from, the newest first."""

LEAST_BUSY_SECONDS: Final = 2.5
"""With less of it a pace would be chance."""

GAP_SECONDS: Final = 3.0
"""Between samples further apart than this, anything may have been."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of a pool at one moment."""

    at: float
    """In seconds, of any clock that does not jump."""
    ready: int
    consumers: int
    started: int
    """How many attempts were ever started in the pool."""


@dataclass(frozen=True, slots=True)
class _Interval:
    """What came about between two samples."""

    seconds: float
    consumers: float
    started: int
    busy: bool
    """Whether messages waited and consumers were there all along, so that what was started is what they can do."""


def estimated_wait(samples: Sequence[Sample]) -> float | None:
    """Return for how many seconds a message that came now would wait, None where that is not known.

    Where messages wait and nothing at all is started, it is the least that it can be: how long that has lasted.
    A pool without consumers is not known: it may sleep, and the message itself wakes it.
    """
    if not samples or samples[-1].consumers == 0:
        return None
    newest = samples[-1]
    if newest.ready == 0:
        return 0.0
    intervals = [_interval(*pair) for pair in pairwise(samples)]
    stalled = _stalled_seconds(intervals)
    pace = _pace(intervals)
    if pace is None:
        return stalled or None
    return max(stalled, newest.ready / (pace * newest.consumers))


def _interval(earlier: Sample, later: Sample) -> _Interval:
    seconds, started = later.at - earlier.at, later.started - earlier.started
    served = all(sample.ready > 0 and sample.consumers > 0 for sample in (earlier, later))
    busy = served and 0 < seconds <= GAP_SECONDS and started >= 0  # fewer than before: the store was flushed
    return _Interval(seconds, (earlier.consumers + later.consumers) / 2, started, busy)


def _stalled_seconds(intervals: Sequence[_Interval]) -> float:
    seconds = 0.0
    for interval in reversed(intervals):
        if not interval.busy or interval.started:
            break
        seconds += interval.seconds
    return seconds


def _pace(intervals: Sequence[_Interval]) -> float | None:
    """Return how many attempts one consumer starts per second while messages wait for it."""
    seconds = effort = 0.0
    started = 0
    for interval in reversed([interval for interval in intervals if interval.busy]):
        if seconds >= BUSY_SECONDS:
            break
        seconds += interval.seconds
        effort += interval.seconds * interval.consumers
        started += interval.started
    return started / effort if started and seconds >= LEAST_BUSY_SECONDS else None
