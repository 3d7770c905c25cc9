"""How a pool's scaling is told: its status and conditions.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warren.resources import Condition, ConsumerPool, ConsumerPoolStatus
from warren_operator.conditions import moment, put

if TYPE_CHECKING:
    from warren_operator.pool.scaling import Decision, Observation

METRICS_AVAILABLE: Final = "MetricsAvailable"
TARGET_FOUND: Final = "TargetFound"


def decided(
    pool: ConsumerPool,
    observation: Observation,
    decision: Decision,
    unknown: str | None,
    now: float,
) -> ConsumerPoolStatus:
    """Return the status after a decision; `unknown` says why the queue's figures are not known, if so."""
    message = f"it scales the Deployment {pool.spec.scale_target_ref.name}"
    found = _condition(pool, TARGET_FOUND, "DeploymentFound", message, now, ok=True)
    advice = " (adviseOnly: the Deployment is left alone)" if pool.spec.advise_only else ""
    return ConsumerPoolStatus(
        replicas=observation.replicas,
        desired_replicas=decision.replicas,
        ready=observation.ready,
        unacked=observation.unacked,
        reason=decision.reason,
        message=decision.message + advice,
        observed_generation=pool.metadata.generation,
        conditions=put(_metrics(pool, unknown, now), found),
    )


def without_target(
    pool: ConsumerPool,
    observation: Observation,
    detail: str,
    unknown: str | None,
    now: float,
) -> ConsumerPoolStatus:
    """Return the status of a pool whose Deployment is not there."""
    reason = "DeploymentNotFound"
    message = f"{detail}; spec.scaleTargetRef.name has to name a Deployment of this namespace"
    conditions = put(_metrics(pool, unknown, now), _condition(pool, TARGET_FOUND, reason, message, now, ok=False))
    return ConsumerPoolStatus(
        ready=observation.ready,
        unacked=observation.unacked,
        reason=reason,
        message=message,
        observed_generation=pool.metadata.generation,
        conditions=conditions,
    )


def _metrics(pool: ConsumerPool, unknown: str | None, now: float) -> tuple[Condition, ...]:
    if unknown is None:
        new = _condition(pool, METRICS_AVAILABLE, "Fresh", f"the figures of {pool.spec.queue} are fresh", now, ok=True)
    else:
        new = _condition(pool, METRICS_AVAILABLE, "MetricsUnknown", unknown, now, ok=False)
    return put(pool.status.conditions, new)


def _condition(  # noqa: PLR0913 - a condition has this many fields
    pool: ConsumerPool,
    kind: str,
    reason: str,
    message: str,
    now: float,
    *,
    ok: bool,
) -> Condition:
    return Condition(
        type=kind,
        status="True" if ok else "False",
        reason=reason,
        message=message,
        last_transition_time=moment(now),
        observed_generation=pool.metadata.generation,
    )
