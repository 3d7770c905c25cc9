"""How an MLJob's state is told: its status with one condition per phase, of which at most one is True.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from warren.record import Record, State
from warren.resources import Condition, MLJob, MLJobStatus, ModelStatus, Phase
from warren.training import TrainReport
from warren_operator.cluster import Notice
from warren_operator.conditions import find, moment, put

if TYPE_CHECKING:
    from warren_operator.conditions import ConditionStatus

_DIGITS: Final = 6
"""Metrics and progress are rounded to this many decimals, so that a table of them can be read."""

_WORRYING: Final = frozenset({"Unroutable", "Retrying", "ConsumerLost", "DeadlineExceeded"})


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands, and why."""

    phase: Phase
    reason: str
    message: str = ""
    at: float | None = None
    """When it came there, in seconds since the epoch; None: now."""


def tell(job: MLJob, standing: Standing, now: float) -> MLJobStatus:
    """Return the job's status with its phase and conditions changed to where it stands."""
    at = min(now, standing.at) if standing.at is not None else now
    conditions = job.status.conditions
    own = Phase.QUEUED if standing.phase is Phase.PENDING else standing.phase
    for other in conditions:
        if other.status == "True" and other.type != own:
            conditions = put(conditions, _condition(job, other.type, "False", standing, at, message=""))
    status: ConditionStatus = "False" if standing.phase is Phase.PENDING else "True"
    conditions = put(conditions, _condition(job, own, status, standing, at, message=standing.message))
    return job.status.model_copy(
        update={
            "phase": standing.phase,
            "conditions": conditions,
            "observed_generation": job.metadata.generation,
            "completion_time": moment(at) if standing.phase.finished else None,
        }
    )


def with_record(status: MLJobStatus, record: Record) -> MLJobStatus:
    """Return the status with what the record knows: attempt, progress, the first start."""
    started = status.start_time or (moment(record.started_at) if record.started_at else None)
    fraction = record.progress.fraction if record.progress else 0.0
    if record.state is State.SUCCEEDED:
        fraction = 1.0
    return status.model_copy(
        update={
            "attempt": record.attempt,
            "progress": round(fraction, _DIGITS),
            "start_time": started,
        }
    )


def with_model(status: MLJobStatus, report: TrainReport) -> MLJobStatus:
    """Return the status with the model that came out."""
    return status.model_copy(
        update={
            "progress": 1.0,
            "metrics": {name: round(value, _DIGITS) for name, value in report.metrics.items()},
            "model": ModelStatus(name=report.name, version=report.version, uri=report.uri, sha256=report.sha256),
        }
    )


def report_of(record: Record | None) -> TrainReport | None:
    """Return what the training task reported; None if it has not succeeded or its report cannot be read."""
    if record is None or record.state is not State.SUCCEEDED or not record.result:
        return None
    try:
        return TrainReport.read(record.result)
    except ValidationError:
        return None


def reason_of(code: str) -> str:
    """Return an error's code as a condition's reason: `dataset-not-found` is `DatasetNotFound`."""
    return "".join(word.capitalize() for word in code.replace("_", "-").split("-")) or "Failed"


def notice(before: MLJobStatus, after: MLJobStatus) -> Notice | None:
    """Return the Event that tells of the change from one status to the next; None if there is nothing new in it."""
    old, new = _headline(before), _headline(after)
    if new is None or (old is not None and (old.type, old.status, old.reason) == (new.type, new.status, new.reason)):
        return None
    bad = after.phase is Phase.FAILED or new.reason.endswith("Unavailable") or new.reason in _WORRYING
    text = f"{after.phase}: {new.message}" if new.message else after.phase
    return Notice("Warning" if bad else "Normal", new.reason, text)


def _headline(status: MLJobStatus) -> Condition | None:
    own = Phase.QUEUED if status.phase is Phase.PENDING else status.phase
    return find(status.conditions, own)


def _condition(  # noqa: PLR0913 - a condition has this many fields
    job: MLJob,
    kind: str,
    status: ConditionStatus,
    standing: Standing,
    at: float,
    *,
    message: str,
) -> Condition:
    reason = standing.reason if kind == standing.phase or standing.phase is Phase.PENDING else standing.phase.value
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=moment(at),
        observed_generation=job.metadata.generation,
    )
