"""A rehearsal in which Prometheus scrapes each pod, and RabbitMQ, at a moment of its own, as it does in a cluster."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from warren.resources import ConsumerPoolSpec
from warren_operator.pool.history import History
from warren_operator.pool.observation import Observation
from warren_operator.pool.scaling import step
from warren_operator.rehearsal.plant import Plant, Pod
from warren_operator.rehearsal.scalers import STATISTICS_SECONDS, TICK_SECONDS
from warren_operator.rehearsal.trace import Trace


class PodsPlant(Plant):
    """A plant of tasks of one length that tells of each pod."""

    def __init__(self, trace: Trace, *, concurrency: int, start_seconds: float, replicas: int) -> None:
        super().__init__(trace, concurrency=concurrency, start_seconds=start_seconds, replicas=replicas)
        self._seconds = trace.services[0]
        self._done: Counter[Pod] = Counter()
        self._known: dict[Pod, None] = {}

    def _end(self, pod: Pod) -> None:
        self._done[pod] += 1
        super()._end(pod)

    @property
    def up(self) -> list[Pod]:
        """The pods that are up, with those that go and still work, eldest first."""
        self._known |= dict.fromkeys(self._pods)
        return [pod for pod in self._known if pod.ready <= self.now and (pod.busy or not pod.leaving)]

    def told(self, pod: Pod) -> Told:
        """Return what a scrape of the pod finds now."""
        done = self._done[pod]
        ages = [self.now - (end - self._seconds) for end, _, one in self._ends if one is pod]
        return Told(done, done * self._seconds + sum(ages), pod.busy, pod.leaving)


@dataclass(frozen=True, slots=True)
class Told:
    """What a scrape of one pod found."""

    finished: int
    busy_seconds: float
    running: int
    leaving: bool


@dataclass(slots=True)
class Scrapes:
    """Prometheus and the operator: RabbitMQ's figures, each pod's and the looks have a phase each."""

    spec: ConsumerPoolSpec
    seconds: int
    random: Random
    history: History = field(default_factory=History)
    depths: tuple[int, int] = (0, 0)
    broker: tuple[int, int, float | None] = (0, 0, None)
    told: dict[Pod, Told] = field(default_factory=dict)
    phases: dict[object, float] = field(default_factory=dict)

    def second(self, plant: PodsPlant, second: int) -> None:
        """Do what is due in this second, each at its moment."""
        due: list[tuple[float, int, Pod | None]] = [(self._moment("statistics", STATISTICS_SECONDS, second), 0, None)]
        due.append((self._moment("broker", self.seconds, second), 1, None))
        due += [(self._moment(pod, self.seconds, second), 2, pod) for pod in plant.up]
        due.append((self._moment("look", TICK_SECONDS, second), 3, None))
        for at, kind, pod in sorted((one for one in due if one[0] < second + 1), key=lambda one: one[:2]):
            plant.advance(at)
            if kind == 0:
                self.depths = plant.ready, plant.running
            elif kind == 1:
                self.broker = *self.depths, at
            elif pod is not None:
                self.told[pod] = plant.told(pod)
            else:
                self._look(plant)

    def _moment(self, who: object, period: int, second: int) -> float:
        phase = self.phases.setdefault(who, self.random.uniform(0, period))
        return math.ceil((second - phase) / period) * period + phase

    def _look(self, plant: PodsPlant) -> None:
        ready, unacked, scraped_at = self.broker
        if scraped_at is None:
            return
        there = set(plant.up)
        now = [told for pod, told in self.told.items() if pod in there]
        seen = Observation(
            plant.replicas,
            ready,
            unacked,
            sum(told.finished for told in self.told.values()),
            sum(told.running for told in now),
            sum(not told.leaving for told in now),
            outgoing=sum(told.running for told in now if told.leaving),
            busy_seconds=sum(told.busy_seconds for told in self.told.values()),
            scraped_at=scraped_at,
        )
        decision, self.history = step(seen, self.spec, self.history, plant.now)
        plant.scale(decision.replicas)


def replay(trace: Trace, spec: ConsumerPoolSpec, start: float, scrape: int, seed: int) -> list[tuple[float, int]]:
    """Return from when on how many replicas there were, until the last arrival."""
    scrapes = Scrapes(spec, scrape, Random(seed))  # noqa: S311 - moments, no secrets
    curve = [(0.0, spec.min_replicas)]
    plant = PodsPlant(trace, concurrency=spec.concurrency, start_seconds=start, replicas=spec.min_replicas)
    for second in range(int(trace.arrivals[-1])):
        scrapes.second(plant, second)
        if plant.replicas != curve[-1][1]:
            curve.append((plant.now, plant.replicas))
    return curve
