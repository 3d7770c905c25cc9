"""Who scales a plant: Warren's own decision with figures as late as in production.

Forbidden here: another decision than the one of production.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from warren_operator.pool.history import History
from warren_operator.pool.observation import LATE_SECONDS, Observation
from warren_operator.pool.scaling import step
from warren_operator.pool.wakening import Wakenings

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec
    from warren_operator.rehearsal.plant import Plant

STATISTICS_SECONDS: Final = 5
"""How often RabbitMQ refreshes its figures (`collect_statistics_interval`)."""
SCRAPE_SECONDS: Final = 2
TICK_SECONDS: Final = 2
WAKE_SECONDS: Final = 0.2
"""From the publish on a sleeping pool to the decision."""


class Scaler(Protocol):
    """Looks at the plant every second, and scales it when it likes."""

    name: str
    wakes: bool
    """Whether a publish on a sleeping pool reaches it at once."""
    rest: int
    """How many replicas it keeps while there is nothing to do."""

    def second(self, plant: Plant, second: int) -> None:
        """Do what is due in this second."""

    def wake(self, plant: Plant) -> None:
        """Do what follows from a publish on a sleeping pool."""


@dataclass(slots=True)
class Depths:
    """What RabbitMQ says of a queue: true at the last refresh, which comes every `period` seconds."""

    period: int = STATISTICS_SECONDS
    ready: int = 0
    unacked: int = 0

    def second(self, plant: Plant, second: int) -> None:
        """Refresh the figures when that is due."""
        if second % self.period == 0:
            self.ready, self.unacked = plant.ready, plant.running


class Warren:
    """The operator: Prometheus scrapes RabbitMQ and the consumers, one second later it decides."""

    name = "warren"
    wakes = True

    def __init__(
        self,
        spec: ConsumerPoolSpec,
        statistics_seconds: int = STATISTICS_SECONDS,
        scrape_seconds: int = SCRAPE_SECONDS,
        shift_seconds: int = 0,
    ) -> None:
        """Take how often figures are made and scraped, and how long after the consumers RabbitMQ is."""
        self._spec = spec
        self._scrape_seconds = scrape_seconds
        self._shift_seconds = shift_seconds
        self.rest = min(spec.max_replicas, max(spec.min_replicas, -(-spec.spare_slots // spec.concurrency)))
        self._depths = Depths(statistics_seconds)
        self._history = History()
        self._scraped = Observation(0, 0, 0, 0.0, 0, 0)
        self._wakenings = Wakenings(max(LATE_SECONDS, 3 * scrape_seconds))
        self._heard = 0

    def second(self, plant: Plant, second: int) -> None:
        """Let RabbitMQ refresh, Prometheus scrape and the operator decide, each when it is due."""
        self._depths.second(plant, second)
        if plant.arrived > self._heard:
            self._heard = plant.arrived
            self._wakenings.hear(self._spec.queue, plant.now)
        self._scrape(plant, second)
        if second % TICK_SECONDS == 1 % TICK_SECONDS:
            self._decide(plant)

    def wake(self, plant: Plant) -> None:
        """Count what waits, and decide at once."""
        self._wakenings.hear(self._spec.queue, plant.now)
        self._wakenings.count(self._spec.queue, plant.ready, plant.now)
        self._decide(plant)

    def _scrape(self, plant: Plant, second: int) -> None:
        """Let Prometheus scrape the consumers and RabbitMQ, each when it is due."""
        if second % self._scrape_seconds == 0:
            self._scraped = replace(
                self._scraped,
                finished=plant.finished,
                running=plant.running,
                busy_seconds=plant.busy_seconds,
                consumers=plant.consumers,
                outgoing=plant.outgoing,
            )
        if second % self._scrape_seconds == self._shift_seconds:
            depths = self._depths
            self._scraped = replace(self._scraped, ready=depths.ready, unacked=depths.unacked, scraped_at=second)

    def _decide(self, plant: Plant) -> None:
        told, queue, now = self._scraped, self._spec.queue, plant.now
        seen = replace(
            told,
            replicas=plant.replicas,
            ready=told.ready
            if told.consumers
            else self._wakenings.ready(queue, told.ready or 0, told.unacked or 0, now),
            woken=self._wakenings.heard(queue, now),
        )
        decision, self._history = step(seen, self._spec, self._history, now)
        if decision.replicas != plant.replicas:
            plant.scale(decision.replicas)
