"""Replica curves: from when on there were how many, and how far two of them lie apart.

Forbidden here: measuring, I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

Curve = Sequence[tuple[float, int]]
"""The times, in seconds and in order, at which a count began to hold; before the first it is that of the first."""


def since(begin: float, curve: Curve) -> Curve:
    """Return the curve in times since `begin`; of what was before, the last count alone is left, at 0."""
    later = [(at - begin, count) for at, count in curve if at > begin]
    return [(0.0, _at(curve, begin)), *later]


def area(curve: Curve, seconds: float) -> float:
    """Return the replica-seconds from 0 to `seconds`."""
    return sum((until - since) * _at(curve, since) for since, until in _stretches(seconds, curve))


def mean_absolute_error(one: Curve, other: Curve, seconds: float) -> float:
    """Return by how many replicas two curves differ, on average over the time from 0 to `seconds`."""
    stretches = _stretches(seconds, one, other)
    return sum((until - since) * abs(_at(one, since) - _at(other, since)) for since, until in stretches) / seconds


def _stretches(seconds: float, *curves: Curve) -> Iterator[tuple[float, float]]:
    """Return the stretches of time within which none of the curves changes."""
    return pairwise(sorted({0.0, seconds, *(at for curve in curves for at, _ in curve if 0 < at < seconds)}))


def _at(curve: Curve, time: float) -> int:
    """Return the count that holds at this time; of several changes at one time the last counts."""
    holding = [count for at, count in curve if at <= time]
    return holding[-1] if holding else curve[0][1]
