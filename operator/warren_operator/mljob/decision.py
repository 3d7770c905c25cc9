"""What to do about an MLJob: the truth table.

Level-based: the decision follows from what there is now, never from what happened. So it may be taken again after any
interruption, and comes to the same end. The truth is `model.json`, then the task's record, then the status.

Forbidden here: clocks, I/O, third parties.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from warren.pool import Pool, PoolKind
from warren.record import State
from warren.resources import GROUP, MLJobStatus, ModelStatus, Phase
from warren_operator.conditions import standing as true_condition
from warren_operator.mljob.status import Standing, reason_of, report_of, tell, with_model, with_record

if TYPE_CHECKING:
    from warren.record import Record
    from warren.resources import MLJob
    from warren.training import TrainReport

FINALIZER: Final = f"{GROUP}/cancel"
"""Keeps a deleted MLJob until its task is canceled."""

RELEASE_SECONDS: Final = 60.0
"""A deleted MLJob is let go after this time, whatever is unreachable."""

LOST_SECONDS: Final = 120.0
"""A task that should be in its queue, while that queue is empty for so long, is published again."""

DEADLINE_EXCEEDED: Final = "DeadlineExceeded"


class Action(StrEnum):
    """One thing to do; each may be done again without harm."""

    ADD_FINALIZER = "add-finalizer"
    SUBMIT = "submit"
    """Write the record unless it is there, publish unless that was confirmed."""
    REPUBLISH = "republish"
    """Publish again under the same id: the claim sorts out what is double."""
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"
    """End the record as canceled; write it as such where there is none."""
    DISOWN = "disown"
    REMOVE_FINALIZER = "remove-finalizer"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the decision needs, or that it asked for, did not work."""

    reason: str
    message: str
    lasting: bool = False
    """Whether trying again cannot help."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that a decision is taken from."""

    job: MLJob
    pools: tuple[Pool, ...]
    now: float
    fresh_task_id: str
    """The id for the task, should it not have one yet."""
    record: Record | None = None
    model: TrainReport | None = None
    """What `model.json` says; looked up only where `wants_model` says so."""
    queue_empty_seconds: float = 0.0
    """For how long fresh figures have shown the pool's queue without any message."""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order, and what to tell after it."""

    actions: tuple[Action, ...] = ()
    status: MLJobStatus | None = None
    """None: leave the status as it is."""
    again: bool = False
    """Whether to look again at once: this was one step of several."""


def wants_model(record: Record | None) -> bool:
    """Tell whether the decision needs to know if `model.json` exists.

    A record that has not ended needs no look: the attempt itself looks for its model first.
    """
    return record is None or (record.state.terminal and report_of(record) is None)


def decide(sight: Sight) -> Decision:
    """Decide what to do about a job."""
    if sight.job.metadata.deletion_timestamp is not None:
        return _delete(sight)
    if sight.job.status.phase.finished:
        return _after_the_end(sight)
    if sight.fault is not None:
        return _in_trouble(sight, sight.fault)
    if sight.job.status.task_id is None:
        return _begin(sight)
    if sight.model is not None or (sight.record is not None and sight.record.state.terminal):
        return _end(sight)
    return _absent(sight) if sight.record is None else _alive(sight, sight.record)


def _delete(sight: Sight) -> Decision:
    job = sight.job
    if FINALIZER not in job.metadata.finalizers:
        return Decision()
    if sight.fault is not None:
        deleted = job.metadata.deletion_timestamp
        overdue = deleted is not None and sight.now - deleted.timestamp() >= RELEASE_SECONDS
        return Decision((Action.REMOVE_FINALIZER,)) if overdue else Decision()
    if job.status.task_id is None:
        return Decision((Action.REMOVE_FINALIZER,))
    cancel = () if job.status.phase.finished else (Action.CANCEL,)
    return Decision((*cancel, Action.DISOWN, Action.REMOVE_FINALIZER))


def _after_the_end(sight: Sight) -> Decision:
    job = sight.job
    if FINALIZER in job.metadata.finalizers:
        disown = (Action.DISOWN,) if job.status.task_id else ()
        return Decision() if sight.fault else Decision((*disown, Action.REMOVE_FINALIZER))
    ttl, ended = job.spec.ttl_seconds_after_finished, job.status.completion_time
    if ttl is not None and ended is not None and sight.now >= ended.timestamp() + ttl:
        return Decision((Action.DELETE,))
    return Decision()


def _in_trouble(sight: Sight, fault: Fault) -> Decision:
    if _is_stopping(sight.job) and not fault.lasting:
        return Decision()
    phase = Phase.FAILED if fault.lasting else sight.job.status.phase
    return Decision(status=tell(sight.job, Standing(phase, fault.reason, fault.message), sight.now))


def _begin(sight: Sight) -> Decision:
    job = sight.job
    problem = pool_problem(job, sight.pools)
    if problem is not None:
        return _told(sight, Standing(Phase.FAILED, "WrongPool", problem))
    if job.spec.suspend:
        return _told(sight, Standing(Phase.SUSPENDED, "Suspended", "spec.suspend is true; the job has not been queued"))
    if FINALIZER not in job.metadata.finalizers:
        return Decision((Action.ADD_FINALIZER,), again=True)
    status = tell(job, Standing(Phase.PENDING, "Submitting", "the job's task is being submitted"), sight.now)
    named = status.model_copy(
        update={
            "task_id": sight.fresh_task_id,
            "model": ModelStatus(name=job.spec.model.name, version=job.metadata.uid),
        }
    )
    return Decision(status=named, again=True)


def pool_problem(job: MLJob, pools: tuple[Pool, ...]) -> str | None:
    """Return why no pool can carry the job out, as a sentence; None if one can."""
    name = job.spec.pool_name
    fitting = [pool.name for pool in pools if pool.kind is PoolKind.TRAIN]
    if name in fitting:
        return None
    asked = f"spec.pool is {name!r}" if job.spec.pool else f"accelerator {job.spec.accelerator!r} asks for {name!r}"
    wrong = "a pool of kind serve" if name in {pool.name for pool in pools} else "no pool of this installation"
    return f"{asked}, which is {wrong}; pools of kind train are: {', '.join(fitting) or 'none'}"


def _absent(sight: Sight) -> Decision:
    if sight.job.spec.suspend:
        return _told(sight, Standing(Phase.SUSPENDED, "Suspended", "spec.suspend is true"))
    return _told(sight, _queued(sight.job), Action.SUBMIT)


def _alive(sight: Sight, record: Record) -> Decision:
    job = sight.job
    if job.spec.suspend:
        message = "spec.suspend is true" + ("; the running attempt is being handed back" if record.leased else "")
        hold = () if record.held else (Action.HOLD,)
        return _told(sight, Standing(Phase.SUSPENDED, "Suspended", message), *hold)
    if record.held or job.status.phase is Phase.SUSPENDED:
        resume = (Action.RESUME,) if record.held else ()
        return _told(sight, _queued(job, "Resumed"), *resume, Action.REPUBLISH)
    if _over_deadline(job, record):
        return _stop(sight, record)
    if not record.accepted:
        return _told(sight, _queued(job), Action.SUBMIT)
    lost = (Action.REPUBLISH,) if _lost(sight, record) else ()
    return _told(sight, _progressing(job, record), *lost)


def _over_deadline(job: MLJob, record: Record) -> bool:
    limit = job.spec.active_deadline_seconds
    running = record.now - record.started_at if record.leased and record.started_at else 0.0
    return limit is not None and record.running_seconds + running >= limit


def _stop(sight: Sight, record: Record) -> Decision:
    """Note the reason in the status first, so that the canceled record is later known to be our doing."""
    if _is_stopping(sight.job):
        return Decision((Action.CANCEL,), again=True)
    phase = Phase.RUNNING if record.leased else Phase.QUEUED
    return _told(sight, Standing(phase, DEADLINE_EXCEEDED, _deadline_message(sight.job)), again=True)


def _is_stopping(job: MLJob) -> bool:
    condition = true_condition(job.status.conditions)
    return condition is not None and condition.reason == DEADLINE_EXCEEDED


def _deadline_message(job: MLJob) -> str:
    return f"the job ran for its activeDeadlineSeconds, {job.spec.active_deadline_seconds} s over all attempts"


def _lost(sight: Sight, record: Record) -> bool:
    """Tell whether no message and no lease stands behind a record that should be in its queue."""
    if record.leased:
        return False
    newest = max(filter(None, (record.submitted_at, record.due_at, record.lease_until)), default=0.0)
    return record.now - newest >= LOST_SECONDS and sight.queue_empty_seconds >= LOST_SECONDS


def _queued(job: MLJob, reason: str = "Waiting") -> Standing:
    return Standing(Phase.QUEUED, reason, f"waits for a consumer of the pool {job.spec.pool_name}")


def _progressing(job: MLJob, record: Record) -> Standing:
    if record.leased:
        message = (record.progress.message if record.progress else None) or f"{record.consumer} works on it"
        return Standing(Phase.RUNNING, "Started", message, record.started_at)
    if record.state is State.RETRYING:
        why = f": {record.error.message}" if record.error else ""
        return Standing(Phase.QUEUED, "Retrying", f"attempt {record.attempt} failed{why}")
    if record.state is State.STARTED:
        lapsed = record.lease_until is not None
        return _queued(job, "ConsumerLost" if lapsed else "HandedBack")
    return Standing(Phase.QUEUED, "Waiting", _queued(job).message, record.submitted_at)


def _end(sight: Sight) -> Decision:
    """Tell the end, after the steps on the way there that nobody has been told of yet."""
    job, record, report = sight.job, sight.record, sight.model or report_of(sight.record)
    skipped = _skipped(job, record)
    if skipped is not None:
        return _told(sight, skipped, again=True)
    if report is not None:
        return _complete(sight, report)
    if record is None or record.state is State.SUCCEEDED:
        return _told(
            sight,
            Standing(
                Phase.FAILED,
                "ReportLost",
                "the training succeeded, but neither its report nor the model's model.json can be found",
            ),
        )
    return _told(sight, _failure(job, record))


def _skipped(job: MLJob, record: Record | None) -> Standing | None:
    if record is None or record.started_at is None:
        return None
    if job.status.phase is Phase.PENDING:
        return Standing(Phase.QUEUED, "Waiting", _queued(job).message, record.submitted_at)
    if job.status.phase is Phase.QUEUED and not _is_stopping(job):
        return Standing(Phase.RUNNING, "Started", "", record.started_at)
    return None


def _complete(sight: Sight, report: TrainReport) -> Decision:
    message = f"version {report.version} of the model {report.name} is at {report.uri}"
    at = sight.record.finished_at if sight.record else None
    decision = _told(sight, Standing(Phase.COMPLETE, "ModelCreated", message, at))
    status = decision.status
    return Decision(status=with_model(status, report)) if status else decision


def _failure(job: MLJob, record: Record) -> Standing:
    at, stopping = record.finished_at, _is_stopping(job)
    code = record.error.code if record.error else record.state.value
    message = record.error.message if record.error else f"the task ended as {record.state.value}"
    if record.state is State.CANCELED and not stopping:
        return Standing(Phase.FAILED, "Canceled", "the task was canceled through the API", at)
    if stopping or (code == "timeout" and job.spec.active_deadline_seconds is not None):
        return Standing(Phase.FAILED, DEADLINE_EXCEEDED, _deadline_message(job), at)
    return Standing(Phase.FAILED, reason_of(code), message, at)


def _told(sight: Sight, standing: Standing, *actions: Action, again: bool = False) -> Decision:
    status = tell(sight.job, standing, sight.now)
    return Decision(actions, with_record(status, sight.record) if sight.record else status, again)
