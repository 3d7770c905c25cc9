"""How many replicas the work asks for, before bounds, patience and care.

By wait, the most of three: enough for what has been arriving, and some spare, so that a queue that chance builds drains
within the target; enough that what will wait when a pod asked for now has started drains within it; and enough that a
surge that goes on does not become too long a wait before yet another pod could help. The longer the target, the more of
a surge it rides out.

Forbidden here: clocks, I/O, third parties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warren_operator.pool.observation import LATE_SECONDS

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec
    from warren_operator.pool.history import History
    from warren_operator.pool.observation import Observation

CHANCE: Final = 5.0
"""How unlikely a wait beyond the target is made at a steady rate, as a power of 1/e."""
SPREAD: Final = 3.0
"""The spare slots are no more than so many standard deviations of the slots that are in use."""
SHARE: Final = 0.75
"""The part of the target within which a backlog is to drain; the rest is for figures that come late ..."""
RESERVE_SECONDS: Final = 5.0
"""... and no more than RabbitMQ's figures are old at the most."""
MARGIN: Final = 0.05
"""Replicas go down only as far as still serves so much more work."""
_SHORTEST_SECONDS: Final = 0.001
"""A shorter target is one of so long: nothing here is that exact, and by next to nothing it cannot be divided."""
_SOME: Final = 0.01
"""So much of a replica, and hence a whole one, is for anything that waits, however soon it will be taken."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How many replicas, as a number with a fraction, and the sum in words."""

    replicas: float
    kept: float
    """So many are kept if there are more: no flapping about a whole number."""
    work: float
    """So many are for the work alone, without what is to be spare."""
    words: str


def demand(seen: Observation, spec: ConsumerPoolSpec, history: History, now: float) -> Demand:
    """Return how many replicas the work asks for."""
    capacity = history.capacity(spec.concurrency)
    if spec.target.wait_seconds is None or capacity is None:
        found = _by_tasks(seen, spec)
    else:
        found = _by_wait(seen, spec, history, now, _rates(seen, spec, history, capacity))
    if not spec.spare_slots:
        return found
    spare = spec.spare_slots / spec.concurrency
    return Demand(
        found.replicas + spare, found.kept + spare, found.work, f"{found.words}; {spec.spare_slots} slots spare"
    )


def estimated_wait(seen: Observation, spec: ConsumerPoolSpec, history: History, wanted: int) -> float | None:
    """Return how many seconds a task that arrives now will wait if so many replicas are to be there; None: not known.

    It waits until a slot is free for it: one of those that are up, or of those that were asked for once they will have
    started, which then work as well.
    """
    capacity = history.capacity(spec.concurrency)
    if capacity is None or not seen.known:
        return None
    start, kept = history.start_seconds, replace(seen, replicas=min(seen.replicas, wanted))
    starting = [(max(0.0, start - ago), more) for ago, more in history.coming(kept, history.looked_at)]
    ends = seen.work - seen.outgoing + 1 - kept.up * spec.concurrency
    each = spec.concurrency / capacity
    return _passed(ends / capacity, each, kept.up, [*starting, (start, max(0, wanted - seen.replicas))])


def _passed(work: float, each: float, up: int, coming: list[tuple[float, int]]) -> float | None:
    """Return after how many seconds so many replica-seconds of work are done; None: it is not known who will.

    Whoever comes takes its slots' worth, `each`, at once.
    """
    at = 0.0
    for begin, more in coming:
        if up and work <= up * (begin - at):
            break
        work, at, up = work - up * (begin - at) - more * each, begin, up + more
    return at + max(0.0, work) / up if up else None


@dataclass(frozen=True, slots=True)
class _Rates:
    arrivals: float
    """Tasks per second, of late."""
    lasting: float
    """The same as far as it has lasted."""
    capacity: float
    """Tasks per second of a busy replica."""


def _rates(seen: Observation, spec: ConsumerPoolSpec, history: History, capacity: float) -> _Rates:
    """Return the rates; where arrivals are not known, those that what is under way stands for (Little's law)."""
    rate, lasting = history.arrival_rate, history.lasting_rate
    if rate is None or lasting is None:
        rate = lasting = seen.in_flight * capacity / spec.concurrency
    return _Rates(rate, lasting, capacity)


def _by_tasks(seen: Observation, spec: ConsumerPoolSpec) -> Demand:
    waiting = seen.work - seen.in_flight
    words = f"{waiting} ready and {seen.in_flight} under way, {spec.tasks_per_replica} per replica"
    margin = math.floor(seen.work * MARGIN)  # whole tasks: one training alone needs no second replica
    found = seen.work / spec.tasks_per_replica
    return Demand(found, (seen.work + margin) / spec.tasks_per_replica, found, words)


def _by_wait(seen: Observation, spec: ConsumerPoolSpec, history: History, now: float, rates: _Rates) -> Demand:
    target, start = max(_SHORTEST_SECONDS, spec.target.wait_seconds or math.inf), history.start_seconds
    backlog = max(0.0, (seen.ready or 0) + rates.arrivals * start - rates.capacity * history.help_until(seen, now))
    within = max(target * SHARE, target - RESERVE_SECONDS)
    steady = rates.lasting / rates.capacity + _spare(rates, target, spec.concurrency)
    draining = backlog / (rates.capacity * within)
    riding = (backlog + rates.arrivals * start) / (rates.capacity * (within + start))
    # What runs besides may be late news, as far as so much arrives meanwhile; or its delivery was taken back.
    there = max(seen.told, seen.running - rates.arrivals * LATE_SECONDS)
    most, some = there + rates.arrivals * start, _SOME if seen.ready else 0.0
    words = (
        f"{seen.ready} ready and {seen.in_flight} under way, {rates.arrivals:.2g}/s arrive, a busy replica does "
        f"{rates.capacity:.2g}/s, a pod starts in {start:.0f} s"
    )
    # What comes seldom is no work meanwhile: how long a pool stays up for it is for the stabilization time to say. And
    # after it has slept for that long, arrivals of which nothing waits are late news of what was done before.
    if not seen.work and (history.quiet or (history.unwanted and not seen.replicas)):
        return Demand(0.0, 0.0, 0.0, words)
    wished, one = max(steady, draining, riding, some), min(1.0, rates.arrivals * LATE_SECONDS)
    found, kept = (min(wished, tasks / spec.concurrency) for tasks in (most, most + one))
    return Demand(found, kept * (1 + MARGIN), found, words)


def _spare(rates: _Rates, target: float, concurrency: int) -> float:
    """Return the replicas beyond the average need.

    In heavy traffic a wait exceeds t with a probability of about exp(-t * spare rate) (Kingman); where tasks are long
    beside the target there is no time to drain, and the spread of the slots in use (their square root) counts.
    """
    slots = rates.lasting / rates.capacity * concurrency
    return min(CHANCE / (target * rates.capacity), SPREAD * math.sqrt(slots) / concurrency)
