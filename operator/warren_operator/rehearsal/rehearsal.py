"""A rehearsal: a trace, a pool and a scaler, and what came of them.

It begins with what the scaler keeps while there is nothing to do, `minReplicas` and room for `spareSlots`, and goes on
until every task has ended and it is back at that: who keeps replicas for longer pays for longer. To compare several,
all are paid for until the last of them is back.

Forbidden here: files, printing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from warren_operator.rehearsal.bound import Terms, least_seconds
from warren_operator.rehearsal.clairvoyance import foresee
from warren_operator.rehearsal.keda import Keda
from warren_operator.rehearsal.plant import Plant
from warren_operator.rehearsal.scalers import WAKE_SECONDS, Scaler, Warren

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec
    from warren_operator.rehearsal.trace import Trace

_ROUNDING: Final = 1e-6
_LATE_SECONDS: Final = 86_400
"""A rehearsal ends so long after the last arrival, served or not."""
SETTLED_SECONDS: Final = 30
"""A scaler that has been at rest for so long stays there: figures that come late raise it no more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rehearsal."""

    scaler: str
    waits: Sequence[float]
    """How long each task that was served waited, in seconds."""
    unserved: int
    """Tasks that still waited at the end."""
    replica_seconds: float
    """What the pods cost until `ended`, each from the wish to its end."""
    curve: Sequence[tuple[float, int]]
    """From when on how many replicas were wanted."""
    scalings: int
    """How often that changed."""
    ended: float
    """When every task had ended and the scaler was at rest."""

    def late(self, target_seconds: float) -> float:
        """Return the share of tasks that waited for longer than the target."""
        late = sum(wait > target_seconds + _ROUNDING for wait in self.waits) + self.unserved
        return late / (len(self.waits) + self.unserved)

    def quantile(self, share: float) -> float:
        """Return the wait that this share of the tasks did not exceed."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rehearse(trace: Trace, spec: ConsumerPoolSpec, start_seconds: float, scaler: Scaler | None = None) -> Outcome:
    """Replay the trace; without another scaler by Warren's own decision."""
    scaler = scaler or Warren(spec)
    plant = Plant(trace, concurrency=spec.concurrency, start_seconds=start_seconds, replicas=scaler.rest)
    curve: list[tuple[float, int]] = [(0.0, scaler.rest)]
    busy = 0
    for second in range(int(trace.seconds + _LATE_SECONDS)):
        if scaler.wakes and not plant.consumers and plant.next_arrival <= second:
            plant.advance(max(plant.now, plant.next_arrival + WAKE_SECONDS))
            scaler.wake(plant)
            _note(curve, plant)
        plant.advance(max(plant.now, float(second)))
        scaler.second(plant, second)
        _note(curve, plant)
        if not plant.done or plant.replicas != scaler.rest:
            busy = second
        elif second - busy > SETTLED_SECONDS:
            break
    unserved = len(trace.arrivals) - plant.begun
    return Outcome(scaler.name, plant.waits, unserved, plant.replica_seconds(), curve, len(curve) - 1, plant.now)


def levelled(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes that can be compared: all are paid for to the same end; whoever is at rest stays there."""
    end = max(outcome.ended for outcome in outcomes)
    return [_until(outcome, end) for outcome in outcomes]


def rehearse_keda(trace: Trace, spec: ConsumerPoolSpec, start_seconds: float, value: float | None = None) -> Outcome:
    """Replay the trace as KEDA would scale."""
    return rehearse(trace, spec, start_seconds, Keda(spec, value or keda_value(trace, spec)))


def keda_value(trace: Trace, spec: ConsumerPoolSpec) -> float:
    """Return the queue length per replica that suits the target: what a replica finishes within it."""
    if spec.target.wait_seconds is None:
        return float(spec.tasks_per_replica)
    service = sum(trace.services) / len(trace.services)
    return max(1.0, spec.target.wait_seconds / service) * spec.concurrency


def foretold(trace: Trace, spec: ConsumerPoolSpec, start_seconds: float) -> Outcome:
    """Replay as one would scale who knows the future and lets no task wait for longer than the target."""
    found = foresee(trace, _terms(spec, start_seconds))
    return Outcome("clairvoyant", found.waits, 0, found.replica_seconds, found.curve, len(found.curve) - 1, found.ended)


def least(trace: Trace, spec: ConsumerPoolSpec, start_seconds: float, until: float) -> float:
    """Return the replica-seconds that whoever lets no task wait for longer than the target pays at least until then."""
    return least_seconds(trace, _terms(spec, start_seconds), until)


def _terms(spec: ConsumerPoolSpec, start_seconds: float) -> Terms:
    return Terms(spec.target.wait_seconds or 0.0, start_seconds, spec.concurrency, spec.min_replicas)


def _until(outcome: Outcome, end: float) -> Outcome:
    resting = outcome.curve[-1][1] * (end - outcome.ended)
    return replace(outcome, replica_seconds=outcome.replica_seconds + resting, ended=end)


def _note(curve: list[tuple[float, int]], plant: Plant) -> None:
    if plant.replicas != curve[-1][1]:
        curve.append((plant.now, plant.replicas))
