"""What is remembered of a pool: a small immutable value, and the rates that are read from it.

Arrivals are what was finished plus the change of what is there. A replica's speed is measured while it is busy; a pod's
start-up is the time from the wish to the consumer that reports itself.

Forbidden here: clocks, I/O, third parties, decisions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from warren_operator.pool.observation import LATE_SECONDS

if TYPE_CHECKING:
    from warren_operator.pool.observation import Observation

LONG_SECONDS: Final = 60.0
"""The arrival rate is that of so long a time ..."""
SHORT_SECONDS: Final = 10.0
"""... unless that of the newest seconds differs from it by more than chance makes likely."""
SIGMAS: Final = 3.0
"""What chance makes likely, in standard deviations of a Poisson process."""
START_SECONDS: Final = 15.0
"""How long a pod takes to start, until that was seen."""
_MEMORY: Final = 200.0
"""A measured speed is that of about so many newest tasks."""
_ENOUGH: Final = 20.0
"""So many tasks make a measured capacity, and so many is what a former process had measured worth."""
_BUSY_SHARE: Final = 0.9
"""A consumer with so many of its slots taken is busy."""
_LASTING_SECONDS: Final = 600.0
"""How long a capacity that was measured under full load is believed: the tasks may have changed."""
_NEWEST_START: Final = 0.3
"""How much the newest start counts beside all before it."""
_MOST_RAISES: Final = 20
_OVERDUE: Final = 3.0
"""A pod that takes so many times as long as others is not counted on any longer."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Tasks finished per second of something, over about the newest `_MEMORY` tasks."""

    seconds: float = 0.0
    tasks: float = 0.0

    def add(self, seconds: float, tasks: float) -> Self:
        """Return the measure with more in it; what is old fades."""
        total = self.tasks + tasks
        fade = min(1.0, _MEMORY / total) if total else 1.0
        return type(self)((self.seconds + seconds) * fade, total * fade)


@dataclass(frozen=True, slots=True)
class Point:
    """How many tasks had arrived by a time, and what had been done of them, counted from some beginning."""

    at: float
    arrived: float
    finished: float = 0.0
    """How many of them were finished ..."""
    under_way: int = 0
    """... and how many under way."""
    busy_seconds: float | None = None
    """For how many seconds slots had been taken, exactly; None: not all consumers tell."""

    def since(self, begin: Point, service_seconds: float | None) -> float:
        """Return how many tasks have arrived since then.

        Consumers are scraped each at its own moment: which tasks have ended by then is much of chance, the time that
        slots were taken is hardly. As far as that chance goes, what was done is told by the time.
        """
        counted = max(0.0, self.arrived - begin.arrived)
        if not service_seconds or self.busy_seconds is None or begin.busy_seconds is None:
            return counted
        more = (self.busy_seconds - begin.busy_seconds) / service_seconds - self._done(begin, service_seconds)
        chance = SIGMAS * math.sqrt(counted)
        return max(0.0, counted + min(max(more, -chance), chance))

    def _done(self, begin: Point, service_seconds: float) -> float:
        """Return how much was done since then, in tasks: of each under way a half, or what time there was for it."""
        more = self.under_way - begin.under_way
        newest = min(1.0, (self.at - begin.at) / service_seconds) if more > 0 else 1.0
        return self.finished - begin.finished + more * newest / 2


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of earlier looks at one pool."""

    last: Observation | None = None
    looked_at: float = 0.0
    told_at: float = 0.0
    """When figures were last looked at that nobody had seen before; `last` holds those."""
    known_at: float = -math.inf
    """When figures were last looked at that were known."""
    arrived: tuple[Point, ...] = ()
    """How many tasks had arrived by when."""
    slots: Measure = Measure()
    """Tasks finished per second of a taken slot."""
    replicas: Measure = Measure()
    """Tasks finished per second of a replica whose slots were all taken while more waited."""
    full_since: float | None = None
    """Since when the same replicas have had (nearly) all their slots taken."""
    full_taken: float = 0.0
    """For how many seconds slots have been taken since then, all slots together."""
    full_done: float = 0.0
    """How many tasks they have finished since then."""
    full_belief: tuple[float, float] | None = None
    """What was believed by then: how many tasks a busy replica finishes per second, and how long a task takes."""
    saturated_at: float = -math.inf
    """When that speed was last measured."""
    start_seconds: float = START_SECONDS
    raises: tuple[tuple[float, int], ...] = ()
    """When replicas were asked for that do not report themselves yet, and up to which number."""
    wishes: tuple[tuple[float, int], ...] = ()
    """Recommendations of the stabilization time that still matter: ever later, ever lower."""
    untaken_since: float | None = None
    """Since when tasks wait and nobody takes any."""

    @classmethod
    def resumed(cls, service_seconds: float | None) -> Self:
        """Return a history that starts with what a former process had measured."""
        # With some weight: tasks under way give time before they give ends, and long ones would look longer still.
        return cls(slots=Measure(service_seconds * _ENOUGH, _ENOUGH)) if service_seconds else cls()

    def after(self, seen: Observation, now: float, concurrency: int) -> History:
        """Return the history with one more observation in it."""
        new = self._raised(seen, now)
        if seen.known:
            new = replace(new, untaken_since=_untaken(new, seen, now), known_at=now)
        if seen.known and self._is_told_by(seen):
            new = replace(new, arrived=_arrivals(new.arrived, seen, now))
            new = replace(_measured(new, seen, now, concurrency), told_at=now)
        if not seen.known and self.untaken_since is not None:
            new = replace(new, untaken_since=self.untaken_since + now - self.looked_at)  # what was not seen is no wait
        return replace(new, last=self._last(seen), looked_at=now)

    def advised(self, wish: int, now: float, stabilization_seconds: float) -> History:
        """Return the history with one more recommendation; those that can matter no longer are forgotten."""
        fresh = [(at, count) for at, count in self.wishes if count > wish and at > now - stabilization_seconds]
        return replace(self, wishes=(*fresh, (now, wish)))

    def postponed(self, seconds: float) -> History:
        """Return the history with its recommendations so much later: a time of which nothing is known is left out."""
        return replace(self, wishes=tuple((at + seconds, count) for at, count in self.wishes))

    @property
    def arrival_rate(self) -> float | None:
        """Tasks that arrive per second; None: not known (yet)."""
        long, short = self._rate(LONG_SECONDS), self._rate(SHORT_SECONDS)
        if long is None or short is None:
            return None
        (rate, span), (newest, newest_span) = long, short
        chance = math.sqrt(max(rate, 1 / span) / newest_span)
        return newest if abs(newest - rate) > SIGMAS * chance else rate

    @property
    def lasting_rate(self) -> float | None:
        """Tasks that arrive per second, as far as that has lasted: a surge is not in it yet, its end is."""
        newest, long = self.arrival_rate, self._rate(LONG_SECONDS)
        return None if newest is None or long is None else min(newest, long[0])

    @property
    def quiet(self) -> bool:
        """Whether it is known that nothing arrived in the newest seconds."""
        return len(self.arrived) > 1 and self.arrived[-1].arrived <= self._before(SHORT_SECONDS).arrived

    @property
    def unwanted(self) -> bool:
        """Whether nobody was recommended, neither last time nor within the stabilization time."""
        return not any(count for _, count in self.wishes)

    @property
    def service_seconds(self) -> float | None:
        """How long a task keeps a slot; None: not known (yet)."""
        return self.slots.seconds / self.slots.tasks if self.slots.tasks and self.slots.seconds else None

    def capacity(self, concurrency: int) -> float | None:
        """Return how many tasks a busy replica finishes per second; None: not known (yet)."""
        measured = self.replicas.tasks >= _ENOUGH and self.replicas.seconds > 0
        if measured and self.looked_at - self.saturated_at <= _LASTING_SECONDS:
            return self.replicas.tasks / self.replicas.seconds
        return concurrency / self.service_seconds if self.service_seconds else None

    def belief(self, concurrency: int) -> tuple[float, float] | None:
        """Return how many tasks a busy replica finishes per second and how long a task takes; None: not known (yet)."""
        capacity, service = self.capacity(concurrency), self.service_seconds
        return None if capacity is None or service is None else (capacity, service)

    def help_until(self, seen: Observation, now: float) -> float:
        """Return the replica-seconds that pods asked for so far will give until one asked for now is up."""
        coming = sum(more * min(self.start_seconds, ago) for ago, more in self.coming(seen, now))
        return seen.up * self.start_seconds + coming

    def coming(self, seen: Observation, now: float) -> list[tuple[float, int]]:
        """Return how long ago replicas were asked for that are not up yet, and how many; the overdue are left out."""
        coming, level = [], seen.up
        for asked, count in self.raises:
            more = max(0, min(count, seen.replicas) - level)
            level += more
            if now - asked < _OVERDUE * self.start_seconds:
                coming.append((now - asked, more))
        return coming

    def _is_told_by(self, seen: Observation) -> bool:
        """Whether the broker has been scraped since the last look.

        Consumers are scraped at other moments: at each of those, what they finished is of another time than what waits.
        """
        return self.last is None or seen.scraped_at is None or seen.scraped_at != self.last.scraped_at

    def _last(self, seen: Observation) -> Observation:
        """Return what the next look is compared with: figures of one scrape of the broker, and how the pool is set."""
        if not seen.known:
            return replace(seen, finished=None)
        if self.last is None or self._is_told_by(seen):
            return seen
        return replace(self.last, replicas=seen.replicas, woken=seen.woken, paused=seen.paused)

    def _before(self, seconds: float) -> Point:
        """Return the point that is nearest to so long before the last one."""
        end = self.arrived[-1].at
        return min(self.arrived[:-1], key=lambda point: abs(end - seconds - point.at))

    def _rate(self, seconds: float) -> tuple[float, float] | None:
        """Return arrivals per second over about the last `seconds`, and over how long exactly."""
        if len(self.arrived) < 2:  # noqa: PLR2004 - a rate is between two points
            return None
        begin, end = self._before(seconds), self.arrived[-1]
        return end.since(begin, self.service_seconds) / (end.at - begin.at), end.at - begin.at

    def _raised(self, seen: Observation, now: float) -> History:
        """Note replicas that were asked for since, and how long those took that are up now."""
        raises, up, start = self.raises, seen.consumers or 0, self.start_seconds
        if self.last is not None and seen.replicas > self.last.replicas:
            raises = (*raises, (self.looked_at, seen.replicas))
        for asked, count in raises:
            if count <= up:
                # A pod that found no node for hours, or was not seen to be up, says little of the next one's start.
                start = (1 - _NEWEST_START) * start + _NEWEST_START * min(now - asked, _OVERDUE * start)
        waiting = tuple((asked, min(count, seen.replicas)) for asked, count in raises if up < min(count, seen.replicas))
        return replace(self, raises=waiting[-_MOST_RAISES:], start_seconds=start)


def _untaken(history: History, seen: Observation, now: float) -> float | None:
    if not seen.ready or seen.in_flight or not seen.replicas:
        return None
    return now if history.untaken_since is None else history.untaken_since


def _measured(history: History, seen: Observation, now: float, concurrency: int) -> History:
    """Add what happened since the last look to the measured speeds."""
    last, passed = history.last, now - history.told_at
    if passed <= 0:
        return history
    if last is None or last.finished is None or seen.finished is None:
        return _not_full(history)
    done = max(0.0, seen.finished - last.finished)
    taken = _taken(last, seen, passed)
    new = replace(history, slots=history.slots.add(taken, done))
    up = seen.consumers or 0
    if not up or up != last.consumers or min(last.staying, seen.staying) < _BUSY_SHARE * up * concurrency:
        return _not_full(new)
    since, belief = history.full_since, history.full_belief
    if since is None:
        since, belief = history.told_at, history.belief(concurrency)
    full_taken, full_done = history.full_taken + taken, history.full_done + done
    late = passed if history.full_since is not None else 0.0
    if full_taken < _BUSY_SHARE * up * concurrency * (now - since - late):
        return _not_full(new)
    new = replace(new, full_since=since, full_taken=full_taken, full_done=full_done, full_belief=belief)
    new = _surprised(new, now - since, concurrency)
    settled = now - since > (new.service_seconds or math.inf)  # else what was begun with the slots empty goes on
    queued = min(last.work, seen.work) > up * concurrency
    return _saturated(new, taken / concurrency, done, now) if settled and queued else new


def _taken(last: Observation, seen: Observation, passed: float) -> float:
    """Return for how many seconds slots were taken, all together.

    Samples are no more than a guess: a load whose interval fits the looks shows them always full, or never.
    """
    if last.busy_seconds is None or seen.busy_seconds is None:
        return (last.running + seen.running) / 2 * passed
    return max(0.0, seen.busy_seconds - last.busy_seconds)


def _not_full(history: History) -> History:
    """End the time of full slots: they are not, or that is not known."""
    return replace(history, full_since=None, full_taken=0.0, full_done=0.0, full_belief=None)


def _saturated(history: History, seconds: float, done: float, now: float) -> History:
    """Add what busy replicas did while tasks waited to their speed.

    Without a queue, (nearly) full slots are those that happen to be at some looks, and these would tell of the longest.
    """
    measure = Measure() if now - history.saturated_at > _LASTING_SECONDS else history.replicas
    return replace(history, replicas=measure.add(seconds, done), saturated_at=now)


def _surprised(history: History, full_seconds: float, concurrency: int) -> History:
    """Forget the speeds if busy slots finish less than chance explains: the tasks have become longer.

    What was begun before the slots were full, and figures that come late, are left out of what was to be expected.
    Until enough have ended since, it goes by what was believed at first: a belief fed by time alone fits any wait.
    """
    belief = history.full_belief if history.full_done < _ENOUGH else history.belief(concurrency)
    if belief is None:
        return history
    capacity, service = belief
    counted = max(0.0, 1 - (service + LATE_SECONDS) / full_seconds)
    expected = capacity * history.full_taken / concurrency * counted
    if expected - history.full_done <= SIGMAS * math.sqrt(expected):
        return history
    new = replace(history, slots=Measure().add(history.full_taken, history.full_done + 1), replicas=Measure())
    return replace(new, full_belief=new.belief(concurrency))


def _arrivals(points: tuple[Point, ...], seen: Observation, now: float) -> tuple[Point, ...]:
    """Return the points with one more; of those older than the long time, one stays as the beginning.

    A gap is no news: the numbers only grow, and what came meanwhile is in the next one. After the long time without
    one, the rate is that of another time.
    """
    if seen.finished is None:
        return points if points and now - points[-1].at <= LONG_SECONDS else ()
    under_way = seen.unacked or 0
    arrived = seen.finished + seen.dropped + (seen.ready or 0) + under_way
    point = Point(now, arrived, seen.finished, under_way, seen.busy_seconds)
    kept = [point for point in points if point.at < now]
    first = next((index for index, (_, after) in enumerate(pairwise(kept)) if after.at > now - LONG_SECONDS), 0)
    return (*kept[first:], point)
