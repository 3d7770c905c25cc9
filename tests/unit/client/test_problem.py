"""Faults cross HTTP and come out as they went in."""

import inspect

import pytest

from warren import errors
from warren.client.outcome import failure
from warren.client.problem import FieldProblem, InvalidFieldsError, Problem
from warren.errors import TaskFailedError, TaskTimeoutError, WarrenError
from warren.record import State, TaskError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, WarrenError)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_survives_the_way(kind: type[WarrenError]) -> None:
    problem = Problem.model_validate_json(Problem.of(kind("what is wrong"), "/v1/x").json_bytes())
    assert type(problem.fault()) is kind
    assert problem.fault().detail == "what is wrong"
    assert problem.status == kind.status


def test_codes_are_unique() -> None:
    assert len({kind.code for kind in KINDS}) == len(KINDS)


def test_wrong_fields_become_one_sentence() -> None:
    fields = (FieldProblem(field="a.b", message="too short"), FieldProblem(field="c", message="unknown"))
    error = InvalidFieldsError(fields)
    assert Problem.of(error).errors == error.fields
    assert Problem.of(error).fault().detail == "a.b: too short; c: unknown"


def test_an_unknown_code_is_a_fault_all_the_same() -> None:
    problem = Problem(type="t", title="t", status=409, code="of-a-later-release", detail="d")
    assert type(problem.fault()) is WarrenError


@pytest.mark.parametrize(
    ("state", "error", "kind", "message"),
    [
        (State.FAILED, TaskError(code="exception", message="boom"), errors.TaskCrashedError, "failed: boom"),
        (State.FAILED, TaskError(code="target-not-found", message="no column"), TaskFailedError, "no column"),
        (State.FAILED, TaskError(code="object-not-found", message="s3://b/x"), errors.ObjectNotFoundError, "s3://b/x"),
        (State.FAILED, TaskError(code="invalid-payload", message="3 values"), errors.InvalidPayloadError, "3 values"),
        (State.CANCELED, None, TaskFailedError, "canceled"),
        (State.EXPIRED, None, TaskTimeoutError, "expired"),
        (State.RETRYING, TaskError(code="exception", message="boom"), TaskTimeoutError, "is retrying"),
    ],
)
def test_what_an_end_means(state: State, error: TaskError | None, kind: type[WarrenError], message: str) -> None:
    fault = failure("id", "echo", state, error)
    assert type(fault) is kind
    assert message in fault.detail
