"""A scaler that knows the future: it lets no task wait beyond the target, and pays little more than the least.

It has two ways to serve the tasks, and takes the cheaper one. Where there is much to do, the evenest way: the fewest
replicas at a time, and the fewest that start. Where there is little, the latest: a replica comes when a task can wait
no longer, and does all that waits. Which task runs on which replica is known then, and so is when each is needed: it is
asked for one start before its first task, goes after its last one, and in between if it would idle for longer than a
start. Where there is much to do, this costs a few percent more than the least that is possible (see `bound`).

Forbidden here: what scalers decide that have to wait and see.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warren_operator.rehearsal.evenness import Stretch, evenest
from warren_operator.rehearsal.plant import Plant

if TYPE_CHECKING:
    from warren_operator.rehearsal.bound import Terms
    from warren_operator.rehearsal.trace import Trace

SHARES: Final = tuple(share / 20 for share in range(20, 0, -1))
"""Parts of the target within which all is to be served evenly: that knows neither whole tasks nor whole replicas, and
some tasks may come to wait for a little longer."""
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Plan:
    """When tasks begin, and which replicas are up for them."""

    waits: Sequence[float]
    """How long each task waits, in seconds."""
    replica_seconds: float
    """What the replicas cost until `ended`, each from the wish to its end."""
    curve: Sequence[tuple[float, int]]
    """From when on how many replicas are wanted."""
    ended: float
    """When the last task has ended."""


def foresee(trace: Trace, terms: Terms) -> Plan:
    """Return the plan for a trace."""
    ways = [_late(trace, terms.target_seconds), *_evenly(trace, terms)]
    return min((_planned(trace, waits, terms) for waits in ways), key=lambda plan: plan.replica_seconds)


def _evenly(trace: Trace, terms: Terms) -> Iterator[Sequence[float]]:
    """Yield how long each task waits if they are served evenly, and in time."""
    for share in SHARES:
        waits = _played(trace, evenest(trace, terms.target_seconds * share), terms)
        if max(waits) <= terms.target_seconds + _ROUNDING:
            yield waits
            return


def _played(trace: Trace, stretches: Sequence[Stretch], terms: Terms) -> Sequence[float]:
    """Return how long each task waits if so many slots work, in whole replicas."""
    plant = Plant(trace, concurrency=terms.concurrency, start_seconds=0.0, replicas=terms.least)
    for stretch in stretches:
        plant.scale(max(terms.least, math.ceil(stretch.slots / terms.concurrency)))
        plant.advance(stretch.end)
    while plant.ready:
        plant.scale(max(1, plant.replicas))
        plant.advance(plant.now + 1)
    return plant.waits


def _late(trace: Trace, target_seconds: float) -> Sequence[float]:
    """Return how long each task waits if one more begins only when it has to, and goes on with what waits then."""
    ends: list[float] = []
    waits = array("d")
    for arrival, service in zip(trace.arrivals, trace.services, strict=True):
        while ends and ends[0] < arrival:
            heapq.heappop(ends)
        begin = arrival + target_seconds
        if ends and ends[0] <= begin:
            begin = heapq.heappop(ends)
        heapq.heappush(ends, begin + service)
        waits.append(begin - arrival)
    return waits


def _planned(trace: Trace, waits: Sequence[float], terms: Terms) -> Plan:
    """Return the plan by which tasks wait for so long."""
    ended = max(map(sum, zip(trace.arrivals, waits, trace.services, strict=True)))
    stays = list(_stays(trace, waits, terms))
    beyond = sum(gone - asked for asked, gone in stays)
    return Plan(waits, terms.least * ended + beyond, _curve(stays, terms.least), ended)


def _stays(trace: Trace, waits: Sequence[float], terms: Terms) -> Iterator[tuple[float, float]]:
    """Yield from when to when replicas are paid for, but for the least number of them, which never go."""
    since: list[float] = []
    until: list[float] = []
    for replica, begin, end in _places(trace, waits, terms.concurrency):
        if replica == len(since):
            since.append(begin)
            until.append(end)
        elif begin - until[replica] > terms.start_seconds and replica >= terms.least:
            yield since[replica] - terms.start_seconds, until[replica]
            since[replica] = begin
        until[replica] = max(until[replica], end)
    for first, last in zip(since[terms.least :], until[terms.least :], strict=True):
        yield first - terms.start_seconds, last


def _places(trace: Trace, waits: Sequence[float], concurrency: int) -> Iterator[tuple[int, float, float]]:
    """Yield on which replica each task runs, and from when to when: on the first with room, so that others can go."""
    free: list[int] = []
    ends: list[tuple[float, int]] = []
    slots = 0
    for arrival, wait, service in zip(trace.arrivals, waits, trace.services, strict=True):
        begin = arrival + wait
        while ends and ends[0][0] <= begin + _ROUNDING:
            heapq.heappush(free, heapq.heappop(ends)[1])
        if not free:
            free.extend(range(slots, slots + concurrency))
            slots += concurrency
        slot = heapq.heappop(free)
        heapq.heappush(ends, (begin + service, slot))
        yield slot // concurrency, begin, begin + service


def _curve(stays: Sequence[tuple[float, float]], least: int) -> list[tuple[float, int]]:
    """Return from when on how many replicas are wanted."""
    changes: Counter[float] = Counter()
    for asked, gone in stays:
        changes[asked] += 1
        changes[gone] -= 1
    points = [(min([0.0, *changes]), least)]
    for at in sorted(changes):
        if changes[at]:
            points.append((at, points[-1][1] + changes[at]))
    return points
