"""How many replicas a pool gets: a pure function of what was seen.

Replicas go up at once and go down only when there has been no work, neither waiting nor un-acknowledged, for the
stabilization time: whatever has been started is never killed. What is not known is not zero: then nothing goes down.

Forbidden here: clocks, I/O, third parties.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from warren_operator.conditions import moment

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec


class Reason(StrEnum):
    """Why this number, as one word."""

    BACKLOG = "Backlog"
    """As many as the work asks for."""
    AT_MAXIMUM = "AtMaximum"
    """The work asks for more than maxReplicas."""
    BUSY = "Busy"
    """The work asks for fewer, but they stay until it is done."""
    STABILIZING = "Stabilizing"
    """There is no work, but not yet for long enough."""
    IDLE = "Idle"
    """There is no work: minReplicas."""
    ABOVE_MAXIMUM = "AboveMaximum"
    """Somebody set more than maxReplicas."""
    METRICS_UNKNOWN = "MetricsUnknown"
    """The queue's figures are missing or old: hold."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a pool at one moment."""

    replicas: int
    """What the Deployment is set to."""
    ready: int | None = None
    unacked: int | None = None
    """None: not known, or too old to be relied on."""

    @property
    def work(self) -> int | None:
        """All tasks that wait or are under way; None if that is not known."""
        return None if self.ready is None or self.unacked is None else self.ready + self.unacked


@dataclass(frozen=True, slots=True)
class History:
    """What has to be remembered of earlier observations."""

    idle_since: float | None = None
    """Since when there has been no work, known all the while."""

    def after(self, observation: Observation, now: float) -> History:
        """Return the history with one more observation in it."""
        if observation.work != 0:
            return History()
        return self if self.idle_since is not None else History(idle_since=now)


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas, and why."""

    replicas: int
    reason: Reason
    message: str
    """The reason as a sentence, with its figures."""


def decide(observation: Observation, spec: ConsumerPoolSpec, history: History, now: float) -> Decision:
    """Decide on the number of replicas; `history` already holds the observation."""
    if observation.work is None:
        return _hold(observation, spec)
    wanted = -(-observation.work // spec.tasks_per_replica)
    bounded = min(max(wanted, spec.min_replicas), spec.max_replicas)
    if bounded >= observation.replicas:
        return _serve(observation, spec, wanted, bounded)
    return _shrink(observation, spec, history, now)


def _hold(observation: Observation, spec: ConsumerPoolSpec) -> Decision:
    replicas = max(observation.replicas, spec.min_replicas)
    message = f"the figures of {spec.queue} are missing or old; unknown is not zero"
    return Decision(replicas, Reason.METRICS_UNKNOWN, message)


def _serve(observation: Observation, spec: ConsumerPoolSpec, wanted: int, bounded: int) -> Decision:
    sum_ = f"{_work(observation)}, {spec.tasks_per_replica} per replica: {wanted}"
    if wanted > spec.max_replicas:
        return Decision(bounded, Reason.AT_MAXIMUM, f"{sum_}, but maxReplicas is {spec.max_replicas}")
    if observation.work == 0:
        return Decision(bounded, Reason.IDLE, f"no work; minReplicas is {spec.min_replicas}")
    return Decision(bounded, Reason.BACKLOG, sum_)


def _shrink(observation: Observation, spec: ConsumerPoolSpec, history: History, now: float) -> Decision:
    since, rest = history.idle_since, spec.scale_down.stabilization_seconds
    if since is not None and now - since >= rest:
        return Decision(spec.min_replicas, Reason.IDLE, f"no work for {rest} s; minReplicas is {spec.min_replicas}")
    if observation.replicas > spec.max_replicas and observation.unacked == 0:
        return Decision(
            spec.max_replicas,
            Reason.ABOVE_MAXIMUM,
            f"the Deployment was set to {observation.replicas}, maxReplicas is {spec.max_replicas}",
        )
    if since is not None:
        when = moment(since + rest).strftime("%H:%M:%S")
        return Decision(observation.replicas, Reason.STABILIZING, f"no work; down to {spec.min_replicas} at {when} UTC")
    return Decision(observation.replicas, Reason.BUSY, f"{_work(observation)}; no replica goes while there is work")


def _work(observation: Observation) -> str:
    return f"{observation.ready} ready and {observation.unacked} un-acknowledged"
