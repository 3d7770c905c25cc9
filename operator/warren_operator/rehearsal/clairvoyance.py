"""What the same tasks would cost somebody who knows the future: nobody waits beyond the target, pods start as slowly.

A task goes to the free slot that was busy last, as late as the target allows; if there is none, to a new one that was
asked for early enough. A slot that would be idle for longer than a start takes is given up. With more than one slot per
replica the slots in use are taken to be packed into as few replicas as hold them, so this is a bound from below.

Forbidden here: what any scaler decides.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren_operator.rehearsal.trace import Trace


@dataclass(frozen=True, slots=True)
class Clairvoyant:
    """When slots come (asked for) and go."""

    comes: list[float]
    goes: list[float]
    waits: Sequence[float]
    """How long each task waits."""
    concurrency: int

    def replica_seconds(self) -> float:
        """Return what the replicas cost."""
        total, slots, since = 0.0, 0, 0.0
        for at, change in sorted([*((at, 1) for at in self.comes), *((at, -1) for at in self.goes)]):
            total += math.ceil(slots / self.concurrency) * (at - since)
            slots, since = slots + change, at
        return total

    def curve(self) -> list[tuple[float, int]]:
        """Return how many replicas there are from when on."""
        slots, points = 0, []
        for at, change in sorted([*((at, 1) for at in self.comes), *((at, -1) for at in self.goes)]):
            slots += change
            points.append((at, math.ceil(slots / self.concurrency)))
        return points


def foresee(trace: Trace, *, target_seconds: float, start_seconds: float, concurrency: int) -> Clairvoyant:
    """Return the slots that serve the trace within the target."""
    free: list[float] = []
    comes: list[float] = []
    goes: list[float] = []
    waits = array("d")
    for arrival, service in zip(trace.arrivals, trace.services, strict=True):
        latest = arrival + target_seconds
        idle = bisect_right(free, arrival - start_seconds)
        goes += free[:idle]
        del free[:idle]
        place = bisect_right(free, latest)
        if place:
            begin = max(free.pop(place - 1), arrival)
        else:
            begin = latest
            comes.append(begin - start_seconds)
        waits.append(begin - arrival)
        insort(free, begin + service)
    return Clairvoyant(comes, goes + free, waits, concurrency)
