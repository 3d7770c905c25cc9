from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.soak import rows
from tests.soak.plan import Job, Kind
from tests.soak.rows import Run
from tests.soak.verdict import Accepted, Evidence, Excuses, Span, problems, repeats
from warren.record import Record, State, TaskError

DONE = Run(1, "mine", pid=10, began=100.5, attempt=1, fence=70, ended=101.0, word="end")
AGAIN = replace(DONE, attempt=2, fence=80)
BROKEN_OFF = Run(1, "other", pid=9, began=90.0, attempt=1, fence=60)


def record(**fields: Any) -> Record:
    known: dict[str, Any] = {
        "id": "a",
        "name": "soak_waits",
        "pool": "cpu",
        "state": State.SUCCEEDED,
        "attempt": 1,
        "fence": 70,
        "started_at": 100.4,
        "result": b'"mine"',
    }
    return Record(**known | fields)


SECOND = record(attempt=2, fence=80)


def evidence(
    last: Record | None,
    runs: Sequence[Run] = (DONE,),
    *,
    first: Record | None = None,
    kind: Kind = Kind.WAITS,
    excuses: Excuses | None = None,
    **traits: float,
) -> Evidence:
    job = replace(Job(1, kind, 0.5, twice=False), **traits)  # type: ignore[arg-type]  # only those that are floats
    accepted = Accepted(job, "a", 1.0, 2.0)
    seen = {"a": first} if first else {}
    return Evidence({1: accepted}, seen, {"a": last}, {1: list(runs)}, excuses or Excuses())


def said(known: Evidence) -> list[str]:
    return [problem.what for problem in problems(known)]


def test_a_task_that_ran_once_and_succeeded_is_right() -> None:
    assert said(evidence(record(now=5), first=record(now=4))) == []


@pytest.mark.parametrize(
    ("known", "what"),
    [
        (evidence(None), "its record is gone"),
        (evidence(record(state=State.STARTED)), "never ended"),
        (evidence(record(state=State.FAILED)), "ended wrongly"),
        (evidence(record(error=TaskError(code="poison", message="")), kind=Kind.KILLS), "ended wrongly"),
        (evidence(record(attempt=2), first=record()), "its record changed after its end"),
        (evidence(record(result=b'"nobody\'s"')), "succeeded without having run to its end"),
        (evidence(record(), []), "succeeded without having run to its end"),
        (evidence(record(fence=71)), "a fenced-out run wrote its result"),
        (evidence(record(attempt=2)), "a fenced-out run wrote its result"),
        (evidence(SECOND, [replace(BROKEN_OFF, fence=80), AGAIN]), "two runs under one claim"),
        (evidence(record(), [BROKEN_OFF, DONE]), "ran without a claim"),
        (evidence(SECOND, [BROKEN_OFF, AGAIN]), "ran again without a fault that explains it"),
    ],
)
def test_what_is_wrong_is_named(known: Evidence, what: str) -> None:
    assert what in said(known)


def test_a_run_of_a_task_that_was_not_accepted_is_named() -> None:
    known = Evidence({}, {}, {}, {1: [DONE]}, Excuses())
    assert said(known) == ["ran, but was not accepted"]


@pytest.mark.parametrize(
    ("excuses", "explained"),
    [
        (Excuses(deaths={9: 91.0}), True),
        (Excuses(deaths={8: 91.0}), False),
        (Excuses(frozen={9: [Span(95.0, 99.0)]}), True),
        (Excuses(frozen={9: [Span(80.0, 89.0)]}), False),
        (Excuses(storeless=[Span(85.0, 91.0)]), True),
    ],
)
def test_faults_explain_second_runs_of_those_they_met(excuses: Excuses, explained: bool) -> None:  # noqa: FBT001
    known = evidence(SECOND, [BROKEN_OFF, AGAIN], excuses=excuses)
    assert (said(known) == []) is explained
    assert repeats(evidence(SECOND, [BROKEN_OFF, AGAIN], first=SECOND, excuses=excuses)) == 1


@pytest.mark.parametrize(("frozen_after", "explained"), [(1.0, True), (3.0, False)])
def test_a_freeze_explains_a_second_run_while_the_end_of_the_first_is_written(
    frozen_after: float,
    explained: bool,  # noqa: FBT001
) -> None:
    first = replace(BROKEN_OFF, word="end", ended=BROKEN_OFF.began + 1)
    freeze = Span(first.began + 1 + frozen_after, first.began + 30)
    known = evidence(SECOND, [first, AGAIN], excuses=Excuses(frozen={first.pid: [freeze]}))
    assert (said(known) == []) is explained


def test_a_task_that_kills_must_end_as_poison() -> None:
    poison = record(state=State.FAILED, attempt=1, result=None, error=TaskError(code="poison", message=""))
    assert said(evidence(poison, [BROKEN_OFF], kind=Kind.KILLS, excuses=Excuses(deaths={9: 91.0}))) == []


@pytest.mark.parametrize(
    ("known", "what"),
    [
        (evidence(record(submitted_at=100.0), delay=0.4), []),
        (evidence(record(submitted_at=100.0), delay=0.6), ["ran before its delay was over"]),
        (evidence(record(state=State.EXPIRED, attempt=0), [], expires=1.0), []),
        (evidence(record(state=State.EXPIRED, attempt=0), []), ["ended wrongly"]),
        (
            evidence(
                record(state=State.EXPIRED, attempt=1), [BROKEN_OFF], excuses=Excuses(deaths={9: 91.0}), expires=1.0
            ),
            [],
        ),
        (evidence(record(state=State.CANCELED), [BROKEN_OFF], cancel_after=1.0), []),
        (evidence(record(state=State.CANCELED), [BROKEN_OFF]), ["ended wrongly"]),
        (
            evidence(record(state=State.CANCELED, attempt=2, result=None), [BROKEN_OFF, DONE], cancel_after=1.0),
            ["ran again without a fault that explains it"],
        ),
    ],
)
def test_delayed_expired_and_canceled_tasks_have_rules_of_their_own(known: Evidence, what: list[str]) -> None:
    assert said(known) == what


def test_rows_become_runs() -> None:
    runs = rows.parse(
        ["start 1 x 1 60 9 90.0", "start 2 y 3 65 9 90.5", "start 1 mine 1 70 10 100.5", "end 1 mine 10 101.0"]
    )
    assert runs[1] == [Run(1, "x", 9, 90.0, 1, 60), DONE]
    assert runs[2] == [Run(2, "y", 9, 90.5, 3, 65)]
