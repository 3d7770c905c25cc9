"""The attempt at hand as a parameter: filled where the task runs, and no argument anywhere else."""

from __future__ import annotations

import asyncio
import inspect
import math
import threading
from typing import Annotated, Any, Optional

import pytest

from tests.unit.functions.api import Api
from warren import CurrentTask, current_task, task
from warren.client.problem import InvalidFieldsError
from warren.errors import SettingsError
from warren.function import TaskFunction
from warren.record import MAX_TEXT_CHARACTERS, Progress
from warren.tasks import Payload
from warren.testing import eager


@task()
def last(x: int, context: CurrentTask) -> list[int]:
    context.report_progress(0.25, context.name)
    return [x, context.attempt]


@task()
def first(context: CurrentTask, x: int, y: int = 2) -> list[int]:
    return [x + y, context.attempt]


@task()
def quoted(x: int, context: Optional["CurrentTask"] = None) -> list[int]:  # noqa: UP037, UP045 - as people write it
    return [x, context.attempt if context else 0]


@task()
def optional(x: int, context: CurrentTask | None = None) -> list[int]:
    return [x, context.attempt if context else 0]


@task()
def annotated(x: int, *, context: Annotated[CurrentTask | None, "the attempt"] = None) -> list[int]:
    return [x, context.attempt if context else 0]


@task()
async def awaited(x: int, context: CurrentTask) -> list[int]:
    await asyncio.sleep(0)
    assert context is current_task()
    return [x, context.attempt]


@task(process=True)
def child(x: int, context: CurrentTask) -> list[int]:
    return [x, context.attempt]


EVERY: list[TaskFunction[Any, list[int]]] = [last, first, quoted, optional, annotated, awaited, child]  # type: ignore[list-item]


@pytest.fixture(params=EVERY, ids=lambda function: function.name)
def function(request: pytest.FixtureRequest) -> TaskFunction[Any, list[int]]:
    """Give each of the functions, which have their contexts in different places."""
    found: TaskFunction[Any, list[int]] = request.param
    return found


def test_it_is_filled_in_eager_mode_and_left_out_of_the_call(function: TaskFunction[Any, list[int]]) -> None:
    expected = 3 + 2 * (function is first)
    with eager():
        assert function.delay(3).get() == [expected, 1]
        assert function.delay(x=3).get() == [expected, 1]
        assert [job.get() for job in function.map([3, 3])] == [[expected, 1]] * 2


def test_the_schema_does_not_name_it(function: TaskFunction[Any, list[int]]) -> None:
    assert set(function.type.arguments or {}) & {"properties"}
    assert (function.type.arguments or {})["properties"].keys() <= {"x", "y"}
    assert "CurrentTask" not in str(function.type.arguments)


def test_who_sends_one_is_refused(function: TaskFunction[Any, list[int]]) -> None:
    with pytest.raises(InvalidFieldsError, match="context"):
        function.type.check({"x": 1, "context": {}})
    if "context" in inspect.signature(function.function).parameters:
        with pytest.raises(TypeError, match="context"):
            function.delay(1, context=None)


def test_a_submitted_call_leaves_it_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARREN_URL", "http://api")
    for function in EVERY:
        function.delay(3)
    assert [request["args"] for request in api.submitted.values()] == [{"x": 3}] * len(EVERY)


def test_progress_is_told_by_it_within_bounds() -> None:
    with eager():
        progress = last.delay(1).record().progress  # type: ignore[call-arg]
    assert progress is not None
    assert (progress.fraction, progress.message) == (0.25, "last")


def test_of_a_long_message_the_beginning_is_told() -> None:
    reports: list[Progress] = []
    current = CurrentTask("1", "tells", 1, 1, math.inf, threading.Event(), reports.append)
    current.report_progress(0.5, "a" + "x" * 2 * MAX_TEXT_CHARACTERS)
    current.report_progress(0.5)
    assert [report.message for report in reports] == ["a" + "x" * (MAX_TEXT_CHARACTERS - 1), None]


def test_who_calls_the_function_passes_what_it_likes() -> None:
    stand_in: Any = type("Mine", (), {"attempt": 9, "name": "", "report_progress": lambda *_: None})()
    assert last(1, stand_in) == [1, 9]
    assert first(stand_in, 1, y=4) == [5, 9]
    assert optional(1) == [1, 0]


def test_one_that_cannot_be_named_is_refused_as_any_parameter_is() -> None:
    def by_place(context: CurrentTask, /, x: int) -> None: ...

    def many(*contexts: CurrentTask) -> None: ...

    for wrong in (by_place, many):
        with pytest.raises(SettingsError, match="no name to be filled by"):
            _ = TaskFunction(wrong, "wrong", last.options).arguments


def test_a_context_alone_takes_an_empty_payload() -> None:
    @task()
    def alone(context: CurrentTask) -> str:
        return context.id

    assert not alone.type.arguments or not alone.type.arguments.get("properties")
    with eager():
        assert alone.delay().get()  # type: ignore[call-arg]
    assert alone.arguments.of_call((), {}) == {}
    assert Payload().body == b"{}"
