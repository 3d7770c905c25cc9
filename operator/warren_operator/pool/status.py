"""How a pool's scaling is told: its status and conditions.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from warren.resources import Condition, ConsumerPool, ConsumerPoolStatus
from warren_operator.cluster import ClusterRefusedError, Notice
from warren_operator.conditions import find, moment, put
from warren_operator.pool.demand import estimated_wait
from warren_operator.pool.scaling import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warren_operator.cluster import ResourceNotFoundError
    from warren_operator.figures import Figure
    from warren_operator.pool.history import History
    from warren_operator.pool.observation import Observation
    from warren_operator.pool.scaling import Decision

METRICS_AVAILABLE: Final = "MetricsAvailable"
ACTIVE: Final = "Active"
LIMITED: Final = "Limited"
STALLED: Final = "Stalled"
SCALE_REFUSED: Final = "ScaleRefused"
UNTAKEN_SECONDS: Final = 60.0
"""A pool with replicas is stalled when nobody takes a waiting task for so long, or for thrice the start of a pod."""


_SILENT: Final = (
    "consumers are there of which Prometheus knows nothing, or nothing any longer: does it find and reach all of "
    "their pods? Until it does, more are started by what RabbitMQ tells, and none goes"
)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a pool, and what came of it."""

    seen: Observation
    decision: Decision
    history: History
    instead: str = ""
    """Why the figures are the broker's own, if they are."""
    silent: bool = False
    """Whether consumers that are there have not been heard of for longer than a hiccup."""
    complaint: str = ""
    """What the scheduler says of pods that it found no node for, if there are any."""
    refused: str = ""
    """Why the API server refuses to set what was decided, if it does."""


def scale_refused(status: ConsumerPoolStatus) -> bool:
    """Return whether the status tells that the Deployment's scale may not be read, or not be what was decided."""
    stalled = find(status.conditions, STALLED)
    return stalled is not None and stalled.reason == SCALE_REFUSED


def told_before(status: ConsumerPoolStatus) -> bool:
    """Return whether consumers had told of themselves when the status was written."""
    metrics = find(status.conditions, METRICS_AVAILABLE)
    silent = metrics is not None and metrics.reason == Reason.CONSUMERS_UNKNOWN
    return silent or status.arrival_rate is not None or status.service_seconds is not None


def decided(pool: ConsumerPool, look: Look, unknown: str | None, now: float) -> ConsumerPoolStatus:
    """Return the status after a decision; `unknown` says why the queue's figures are not known, if so."""
    seen, decision, history = look.seen, look.decision, look.history
    advice = " (adviseOnly: the Deployment is left alone)" if pool.spec.advise_only else ""
    return ConsumerPoolStatus(
        replicas=seen.replicas,
        desired_replicas=decision.replicas,
        ready=seen.ready,
        unacked=seen.unacked,
        arrival_rate=_rounded(history.arrival_rate if seen.known else None),
        service_seconds=_rounded(history.service_seconds),
        estimated_wait_seconds=_rounded(estimated_wait(seen, pool.spec, history, _expected(pool, look))),
        reason=decision.reason,
        message=decision.message + advice,
        observed_generation=pool.metadata.generation,
        conditions=_all(
            pool,
            now,
            _metrics(pool, unknown, look),
            _active(pool, seen, decision),
            _limited(seen, decision, look.complaint),
            _stalled(seen, history, look.refused),
        ),
    )


def without_scale(
    pool: ConsumerPool,
    figure: Figure | None,
    error: ResourceNotFoundError | ClusterRefusedError,
    unknown: str | None,
    now: float,
) -> ConsumerPoolStatus:
    """Return the status of a pool whose Deployment is not there, or whose scale the operator may not read."""
    if isinstance(error, ClusterRefusedError):
        return _left_alone(pool, figure, SCALE_REFUSED, error.detail, unknown, now)
    message = f"{error.detail}; spec.scaleTargetRef.name has to name a Deployment of this namespace"
    return _left_alone(pool, figure, "DeploymentNotFound", message, unknown, now)


def outranked(
    pool: ConsumerPool,
    figure: Figure | None,
    owner: str,
    unknown: str | None,
    now: float,
) -> ConsumerPoolStatus:
    """Return the status of a pool whose Deployment another, elder one scales."""
    target = pool.spec.scale_target_ref.name
    message = (
        f"the ConsumerPool {owner!r} is the elder one that scales the Deployment {target!r}; one of them has to go"
    )
    return _left_alone(pool, figure, "TargetConflict", message, unknown, now)


def _left_alone(  # noqa: PLR0913, PLR0917 - what those above know
    pool: ConsumerPool,
    figure: Figure | None,
    reason: str,
    message: str,
    unknown: str | None,
    now: float,
) -> ConsumerPoolStatus:
    there = None if reason == SCALE_REFUSED else False  # who cannot read how many there are does not know
    return ConsumerPoolStatus(
        ready=figure.ready if figure else None,
        unacked=figure.unacked if figure else None,
        reason=reason,
        message=message,
        observed_generation=pool.metadata.generation,
        conditions=_all(
            pool,
            now,
            _metrics(pool, unknown),
            _State(ACTIVE, reason, message, holds=there),
            _State(LIMITED, reason, message, holds=there),
            _State(STALLED, reason, message, holds=True),
        ),
    )


def turned(before: ConsumerPoolStatus, after: ConsumerPoolStatus) -> Iterator[Notice]:
    """Yield an Event for each condition that has become bad, or is so no longer; that a pool sleeps is neither."""
    for condition in after.conditions:
        if condition.type == ACTIVE:
            continue
        bad = "False" if condition.type == METRICS_AVAILABLE else "True"
        old = find(before.conditions, condition.type)
        if (condition.status == bad) != (old is not None and old.status == bad):
            kind: Literal["Normal", "Warning"] = "Warning" if condition.status == bad else "Normal"
            yield Notice(kind, condition.reason, condition.message)


@dataclass(frozen=True, slots=True)
class _State:
    kind: str
    reason: str
    message: str
    holds: bool | None = field(kw_only=True)
    """None: not known."""


def _expected(pool: ConsumerPool, look: Look) -> int:
    """Return how many replicas there are to be once a task arrives now: it wakes a pool that sleeps."""
    if pool.spec.advise_only:
        return look.seen.replicas
    least = 0 if look.decision.reason is Reason.PAUSED else 1
    return max(least, look.decision.replicas)


def _rounded(value: float | None) -> float | None:
    """Return the figure with two digits: a status is written when it changes, and no third one is meant."""
    return None if value is None else float(f"{value:.2g}")


def _metrics(pool: ConsumerPool, unknown: str | None, look: Look | None = None) -> _State:
    if look is not None and look.silent:
        return _State(METRICS_AVAILABLE, Reason.CONSUMERS_UNKNOWN, _SILENT, holds=False)
    if unknown is None and look is not None and look.instead:
        message = (
            f"{look.instead}; meanwhile RabbitMQ itself is asked, which knows nothing of how fast the consumers are"
        )
        return _State(METRICS_AVAILABLE, "FromBroker", message, holds=True)
    if unknown is None:
        return _State(METRICS_AVAILABLE, "Fresh", f"the figures of {pool.spec.queue} are fresh", holds=True)
    return _State(METRICS_AVAILABLE, "MetricsUnknown", unknown, holds=False)


def _active(pool: ConsumerPool, seen: Observation, decision: Decision) -> _State:
    if seen.replicas if pool.spec.advise_only else decision.replicas:
        return _State(ACTIVE, "Awake", "consumers serve the queue, or are about to", holds=True)
    if pool.spec.advise_only:
        message = f"no consumer is there; adviseOnly leaves the Deployment alone, {decision.replicas} are advised"
        return _State(ACTIVE, "AdviseOnly", message, holds=False)
    if decision.reason is Reason.PAUSED:
        return _State(ACTIVE, "Paused", decision.message, holds=False)
    return _State(ACTIVE, "Asleep", "no consumer is wanted; the next task wakes the pool", holds=False)


def _limited(seen: Observation, decision: Decision, complaint: str) -> _State:
    if complaint:
        return _State(LIMITED, "Unschedulable", complaint, holds=True)
    if decision.reason is Reason.PAUSED:
        return _State(LIMITED, "Paused", decision.message, holds=True)
    if decision.limited:
        return _State(LIMITED, "AtMaximum", "the work asks for more replicas than maxReplicas", holds=True)
    if not seen.known:
        return _State(LIMITED, Reason.METRICS_UNKNOWN, "what the work asks for is not known", holds=None)
    return _State(LIMITED, "WithinBounds", "the work asks for no more replicas than maxReplicas", holds=False)


def _stalled(seen: Observation, history: History, refused: str) -> _State:
    if refused:
        return _State(STALLED, SCALE_REFUSED, refused, holds=True)
    if not seen.known:
        return _State(STALLED, Reason.METRICS_UNKNOWN, "whether tasks wait and are taken is not known", holds=None)
    since, patience = history.untaken_since, max(UNTAKEN_SECONDS, 3 * history.start_seconds)
    if since is not None and history.looked_at - since >= patience:
        message = "tasks wait and there are replicas, but nobody takes any: do the pods run, and consume this queue?"
        return _State(STALLED, "NobodyTakesTasks", message, holds=True)
    return _State(STALLED, "Working", "no replica leaves waiting tasks untaken", holds=False)


def _all(pool: ConsumerPool, now: float, *states: _State) -> tuple[Condition, ...]:
    kinds = {state.kind for state in states}
    conditions = tuple(condition for condition in pool.status.conditions if condition.type in kinds)
    for state in states:
        conditions = put(conditions, _condition(pool, state, now))
    return conditions


def _condition(pool: ConsumerPool, state: _State, now: float) -> Condition:
    return Condition(
        type=state.kind,
        status="Unknown" if state.holds is None else "True" if state.holds else "False",
        reason=state.reason,
        message=state.message,
        last_transition_time=moment(now),
        observed_generation=pool.metadata.generation,
    )
