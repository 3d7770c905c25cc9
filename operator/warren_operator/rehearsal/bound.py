"""The least that anybody can pay who lets nobody wait beyond the target, even knowing the future: pods start as slowly.

A bound from below, by prices. Let q(t) lie between 0 and the seconds of a start, and never rise by more than a second
in a second. A start costs as much as q can fall, so whatever the replicas do, they cost at least what their time costs
at the price 1 - q'(t), and that is at least what the tasks cost that run on them, each begun at the cheapest moment
within the target. Any such q makes a bound; which one makes a high one, the evenest way to serve the tasks in time
tells: q is high where it takes more replicas and low where it takes fewer. Slots may be parts of a replica there. Where
there is little to do, a bound that knows whole replicas is higher: one has to be up for each task, and in between it
stays up or starts anew.

Forbidden here: what any scaler decides, one that knows the future included.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from warren_operator.rehearsal.evenness import Stretch, evenest

if TYPE_CHECKING:
    from warren_operator.rehearsal.trace import Trace

LEVELS: Final = 10
"""The values of q are tenths of a start."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What everybody has to keep to."""

    target_seconds: float
    start_seconds: float
    concurrency: int
    least: int = 0
    """Replicas that are up before the first task, and never go."""


def least_seconds(trace: Trace, terms: Terms, until: float) -> float:
    """Return the replica-seconds that are paid at least, the least number of replicas being paid for until then."""
    prices = Prices.of(evenest(trace, terms.target_seconds), terms)
    cost = prices.cheapest(trace, terms.target_seconds)
    beyond = [0.0, cost / terms.concurrency - terms.least * prices.total]
    if not terms.least:
        beyond += [sum(trace.services) / terms.concurrency, one_at_a_time(trace, terms)]
    return terms.least * until + max(beyond)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a slot costs per second, constant from each time to the next, and nothing before the first.

    Where the least number of replicas is enough, a slot costs nothing.
    """

    times: Sequence[float]
    paid: Sequence[float]
    """What a slot has cost from the first of the times on until each of them."""

    @classmethod
    def of(cls, stretches: Sequence[Stretch], terms: Terms) -> Prices:
        """Return prices that make much of the replicas that have to start."""
        levels = _levels(stretches, terms)
        paid = array("d", [0.0])
        for stretch, (before, after) in zip(stretches, pairwise(levels), strict=True):
            free = terms.least and stretch.slots <= terms.least * terms.concurrency
            paid.append(paid[-1] + (0.0 if free else stretch.seconds - (after - before)))
        return cls([*(stretch.begin for stretch in stretches), stretches[-1].end], paid)

    @property
    def total(self) -> float:
        """What a slot costs over all the time."""
        return self.paid[-1]

    def cheapest(self, trace: Trace, target_seconds: float) -> float:
        """Return what all tasks cost, each at its cheapest moment within the target."""
        return sum(
            min(
                self._until(begin + service) - self._until(begin)
                for begin in self._moments(arrival, arrival + target_seconds, service)
            )
            for arrival, service in zip(trace.arrivals, trace.services, strict=True)
        )

    def _moments(self, first: float, last: float, service: float) -> Iterator[float]:
        """Return the moments of which one is the cheapest: between them the cost rises or falls evenly."""
        yield first
        begin, end = bisect_right(self.times, first), bisect_right(self.times, last + service)
        if begin == end:
            return  # one price holds all the time
        yield last
        for time in self.times[begin:end]:
            yield from (moment for moment in (time, time - service) if first < moment < last)

    def _until(self, moment: float) -> float:
        index = bisect_right(self.times, moment)
        if index == 0:
            return 0.0
        if index == len(self.times):
            return self.paid[-1]
        begin, end = self.times[index - 1], self.times[index]
        return self.paid[index - 1] + (self.paid[index] - self.paid[index - 1]) * (moment - begin) / (end - begin)


def one_at_a_time(trace: Trace, terms: Terms) -> float:
    """Return what one replica costs that is up for each of some tasks that cannot overlap, whatever else there is."""
    total, free = 0.0, -math.inf
    for arrival, service in zip(trace.arrivals, trace.services, strict=True):
        if arrival >= free:
            total += service + min(terms.start_seconds, arrival - free)
            free = arrival + terms.target_seconds + service
    return total


def _levels(stretches: Sequence[Stretch], terms: Terms) -> list[float]:
    """Return q at the beginning of each stretch and the end of the last: it makes most of the changes of slots.

    From the last to the first: for each level, what is to be had from there on, and with which level next.
    """
    step, floor = terms.start_seconds / LEVELS, terms.least * terms.concurrency
    slots = [floor, *(max(floor, stretch.slots) for stretch in stretches), floor]
    best = [level * step * (slots[-1] - slots[-2]) for level in range(LEVELS + 1)]
    choices: list[list[int]] = []
    for index in reversed(range(len(stretches))):
        rise = LEVELS if not step else min(LEVELS, int(stretches[index].seconds / step))
        highest = _highest(best)
        choices.append([highest[min(LEVELS, level + rise)] for level in range(LEVELS + 1)])
        best = [
            level * step * (slots[index + 1] - slots[index]) + best[following]
            for level, following in enumerate(choices[-1])
        ]
    chosen = [_highest(best)[-1]]
    for choice in reversed(choices):
        chosen.append(choice[chosen[-1]])
    return [level * step for level in chosen]


def _highest(values: Sequence[float]) -> list[int]:
    """Return, for each place, where the highest value up to it is."""
    found = [0]
    for index in range(1, len(values)):
        found.append(index if values[index] > values[found[-1]] else found[-1])
    return found
