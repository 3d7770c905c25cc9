"""The truth table of MLJobs: what holds for every combination of what can be seen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.operator.world import IRIS
from warren.pool import DEFAULT_POOLS
from warren.record import Record, State, TaskError
from warren.resources import MLJob, Phase, parse
from warren.training import TrainReport
from warren_operator.conditions import moment, standing
from warren_operator.mljob.decision import FINALIZER, Action, Decision, Fault, Sight, decide, wants_model
from warren_operator.mljob.status import Standing, tell

NOW = 1_750_000_000.0
REPORT = TrainReport(
    name="iris", version="uid", uri="s3://warren/models/iris/uid", sha256="a", metrics={"accuracy": 1.0}, promoted=False
)
WAY = {
    Phase.PENDING: "Submitting",
    Phase.QUEUED: "Waiting",
    Phase.RUNNING: "Started",
    Phase.SUSPENDED: "Suspended",
    Phase.COMPLETE: "ModelCreated",
    Phase.FAILED: "Exception",
}


def job(
    phase: Phase = Phase.PENDING,
    *,
    task: bool = True,
    finalizer: bool = True,
    deleted: float | None = None,
    **spec: Any,
) -> MLJob:
    metadata: dict[str, Any] = {
        "name": "iris",
        "namespace": "warren",
        "uid": "uid",
        "finalizers": [FINALIZER] if finalizer else [],
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = moment(deleted)
    fresh = parse(MLJob, {"metadata": metadata, "spec": {**IRIS, **spec}})
    status = tell(fresh, Standing(phase, WAY[phase]), NOW - 1000)
    return fresh.model_copy(update={"status": status.model_copy(update={"task_id": "task" if task else None})})


def record(state: State, **changes: Any) -> Record:
    started = state is not State.QUEUED
    fields: dict[str, Any] = {
        "accepted": True,
        "now": NOW,
        "submitted_at": NOW - 900,
        "attempt": int(started),
        "started_at": NOW - 50 if started else None,
        "lease_until": NOW + 20 if state is State.STARTED else None,
        "finished_at": NOW - 5 if state.terminal else None,
        "error": TaskError(code="exception", message="it broke") if state is State.FAILED else None,
        "result": REPORT.model_dump_json().encode() if state is State.SUCCEEDED else None,
    }
    return Record(id="task", name="train", pool="train-cpu", state=state, **{**fields, **changes})


def see(of: MLJob, what: Record | None = None, **more: Any) -> Decision:
    return decide(Sight(of, DEFAULT_POOLS, NOW, "fresh", record=what, **more))


RECORDS = [
    None,
    *(record(state) for state in State),
    record(State.QUEUED, held=True),
    record(State.STARTED, held=True),
    record(State.QUEUED, accepted=False),
    record(State.STARTED, lease_until=None),
    record(State.STARTED, lease_until=NOW - 10),
    record(State.RETRYING, due_at=NOW + 60),
]
FAULTS = [None, Fault("RecordsUnavailable", "away"), Fault("InvalidRequest", "no", lasting=True)]
EVERYTHING = [
    (phase, task, finalizer, suspend, what, model, fault, deleted)
    for phase, task, finalizer, suspend, what, model, fault, deleted in itertools.product(
        Phase, [True, False], [True, False], [True, False], RECORDS, [None, REPORT], FAULTS, [None, NOW - 1, NOW - 61]
    )
    if task or (what is None and model is None)
]


def test_what_holds_whatever_is_seen() -> None:
    for phase, task, finalizer, suspend, what, model, fault, deleted in EVERYTHING:
        of = job(phase, task=task, finalizer=finalizer, suspend=suspend, deleted=deleted)
        decision = see(of, what, model=model, fault=fault, queue_empty_seconds=1000)
        case = (phase, task, finalizer, suspend, what and what.state, model is not None, fault, deleted)
        publishes = {Action.SUBMIT, Action.REPUBLISH} & set(decision.actions)
        told = decision.status

        assert not (publishes and phase.finished), ("a finished job never runs again", case)
        assert not (publishes and deleted), ("a deleted job is not published", case)
        assert not (publishes and suspend), ("a suspended job is not published", case)
        assert not (publishes and not task), ("nothing is published before its id is in the status", case)
        assert not (publishes and not finalizer and phase is Phase.PENDING and not task), case
        assert not (publishes and what and what.state.terminal), ("an ended task is not published", case)
        assert not (publishes and what and what.leased and not what.held and phase is not Phase.SUSPENDED), case
        assert not (phase.finished and told), ("a finished job's status stands", case)
        assert not (deleted and told), ("a deleted job's status is left alone", case)
        assert Action.DISOWN not in decision.actions or deleted or phase.finished, case
        if Action.CANCEL in decision.actions:
            assert deleted, ("only deletion (or a deadline, not here) cancels", case)
        if told:
            true = [condition.type for condition in told.conditions if condition.status == "True"]
            assert true == ([] if told.phase is Phase.PENDING else [told.phase]), ("one condition is true", case)
        if decision.again:
            assert decision.actions or told != of.status, ("looking again needs something to have changed", case)


@pytest.mark.parametrize(
    ("phase", "what", "actions", "then", "reason"),
    [
        (Phase.PENDING, None, [Action.SUBMIT], Phase.QUEUED, "Waiting"),
        (Phase.QUEUED, None, [Action.SUBMIT], Phase.QUEUED, "Waiting"),
        (Phase.RUNNING, None, [Action.SUBMIT], Phase.QUEUED, "Waiting"),
        (Phase.PENDING, record(State.QUEUED), [], Phase.QUEUED, "Waiting"),
        (Phase.PENDING, record(State.QUEUED, accepted=False), [Action.SUBMIT], Phase.QUEUED, "Waiting"),
        (Phase.QUEUED, record(State.STARTED), [], Phase.RUNNING, "Started"),
        (Phase.RUNNING, record(State.STARTED, lease_until=None), [], Phase.QUEUED, "HandedBack"),
        (Phase.RUNNING, record(State.STARTED, lease_until=NOW - 1), [], Phase.QUEUED, "ConsumerLost"),
        (Phase.RUNNING, record(State.RETRYING), [], Phase.QUEUED, "Retrying"),
        (Phase.SUSPENDED, record(State.QUEUED, held=True), [Action.RESUME, Action.REPUBLISH], Phase.QUEUED, "Resumed"),
        (Phase.SUSPENDED, record(State.QUEUED), [Action.REPUBLISH], Phase.QUEUED, "Resumed"),
        (Phase.QUEUED, record(State.QUEUED, held=True), [Action.RESUME, Action.REPUBLISH], Phase.QUEUED, "Resumed"),
        (Phase.RUNNING, record(State.SUCCEEDED), [], Phase.COMPLETE, "ModelCreated"),
        (Phase.SUSPENDED, record(State.SUCCEEDED), [], Phase.COMPLETE, "ModelCreated"),
        (Phase.RUNNING, record(State.FAILED), [], Phase.FAILED, "Exception"),
        (Phase.RUNNING, record(State.CANCELED), [], Phase.FAILED, "Canceled"),
        (Phase.RUNNING, record(State.EXPIRED), [], Phase.FAILED, "Expired"),
        (Phase.QUEUED, record(State.SUCCEEDED), [], Phase.RUNNING, "Started"),
        (Phase.PENDING, record(State.FAILED), [], Phase.QUEUED, "Waiting"),
    ],
)
def test_the_table(phase: Phase, what: Record | None, actions: list[Action], then: Phase, reason: str) -> None:
    decision = see(job(phase), what)
    assert decision.status
    condition = standing(decision.status.conditions)
    assert condition
    assert (list(decision.actions), decision.status.phase, condition.reason) == (actions, then, reason)


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        (None, True),
        (record(State.QUEUED), False),
        (record(State.STARTED), False),
        (record(State.SUCCEEDED), False),
        (record(State.SUCCEEDED, result=b"?"), True),
        (record(State.FAILED), True),
        (record(State.CANCELED), True),
    ],
)
def test_the_model_is_looked_up_only_where_it_matters(what: Record | None, wanted: bool) -> None:  # noqa: FBT001
    assert wants_model(what) is wanted


@pytest.mark.parametrize(
    ("what", "empty", "again"),
    [
        (record(State.QUEUED), 119, False),
        (record(State.QUEUED), 120, True),
        (record(State.QUEUED, submitted_at=NOW - 119), 1000, False),
        (record(State.RETRYING, due_at=NOW - 119), 1000, False),
        (record(State.RETRYING, due_at=NOW - 120), 1000, True),
        (record(State.RETRYING, due_at=NOW + 900), 1000, False),
        (record(State.STARTED), 1000, False),
        (record(State.STARTED, lease_until=None), 1000, True),
        (record(State.STARTED, lease_until=NOW - 119), 1000, False),
        (record(State.STARTED, lease_until=NOW - 120), 1000, True),
    ],
)
def test_a_lost_message_is_published_again(what: Record, empty: float, again: bool) -> None:  # noqa: FBT001
    decision = see(job(Phase.QUEUED), what, queue_empty_seconds=empty)
    assert decision.actions == ((Action.REPUBLISH,) if again else ())


def test_a_deadline_is_noted_before_the_task_is_canceled() -> None:
    of = job(Phase.RUNNING, activeDeadlineSeconds=60)
    running = record(State.STARTED, running_seconds=10, started_at=NOW - 50)
    noted = see(of, running)
    assert noted.actions == ()
    assert noted.again
    assert noted.status
    of = of.model_copy(update={"status": noted.status})
    assert see(of, running).actions == (Action.CANCEL,)
    ended = see(of, record(State.CANCELED))
    assert ended.status
    condition = standing(ended.status.conditions)
    assert condition
    assert (ended.status.phase, condition.reason) == (Phase.FAILED, "DeadlineExceeded")


def test_a_succeeded_task_without_report_or_model_fails() -> None:
    decision = see(job(Phase.RUNNING), record(State.SUCCEEDED, result=b"?"))
    assert decision.status
    assert decision.status.phase is Phase.FAILED
