"""Functions as tasks: arguments from JSON, results to JSON, progress, threads."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from datetime import date
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, SecretStr

from tests.unit.consumer.stage import until
from warren import CurrentTask, current_task, report_progress, task
from warren.errors import InvalidPayloadError, InvalidResultError, SettingsError
from warren.function import TaskFunction, find_functions
from warren.record import Progress
from warren.settlement import Backoff
from warren.tasks import Payload, Task
from warren_consumer import diagnostics
from warren_consumer.assignment import Stop
from warren_consumer.execution import Faulted, execute
from warren_consumer.functions import threads as threads_module
from warren_consumer.functions.executors import Executors
from warren_consumer.functions.handlers import registrations
from warren_consumer.functions.threads import Threads
from warren_consumer.handler import Context

TOO_LARGE_A_STACK = 1 << 50
"""No system has room for it: threads cannot be begun."""


async def call(
    function: TaskFunction[..., Any],
    body: bytes,
    content_type: str = "application/json",
    reports: list[Progress] | None = None,
) -> bytes:
    given = Task(function.name, "cpu", Payload(body, content_type))
    report = [] if reports is None else reports
    handler = registrations({function.name: function}, Executors(1))[function.name].handler
    return (await handler(Context(given, 1, 1, report.append))).body


class Box(BaseModel):
    """A parameter with members of its own."""

    width: int


@task(
    pool="cpu",
    max_attempts=5,
    timeout_seconds=30,
    retry_on=(OSError,),
    retry_backoff_seconds=1,
    retry_backoff_max_seconds=9,
)
def combined(text: str, day: date, box: Box, copy: int = 2) -> dict[str, object]:
    return {"text": text * copy, "year": day.year, "width": box.width, "thread": threading.current_thread().name}


@task(pool="cpu", name="in-loop")
async def in_loop(fractions: list[float]) -> str:
    for fraction in fractions:
        report_progress(fraction, "on the way")
    return threading.current_thread().name


@task(pool="cpu")
def in_thread() -> None:
    report_progress(0.5)


@task(pool="cpu")
def told(x: int, context: CurrentTask) -> list[object]:
    context.report_progress(0.5, "told")
    return [x, context.attempt, context.fence, context is current_task()]


@task(pool="cpu")
async def told_in_loop(context: CurrentTask, x: int) -> list[object]:
    context.report_progress(0.5, "told")
    await asyncio.sleep(0)
    return [x, context.attempt, context.fence, context is current_task()]


@task(pool="cpu")
def leaves() -> None:
    sys.exit(3)


@task(pool="cpu")
async def leaves_the_loop() -> None:
    sys.exit(3)


@task(pool="cpu")
def strange() -> object:
    return object()


async def test_a_plain_function_gets_its_arguments_and_runs_in_a_thread() -> None:
    result = await call(combined, b'{"text": "ab", "day": "2026-11-21", "box": {"width": 3}}')
    assert result == b'{"text":"abab","year":2026,"width":3,"thread":"warren-function"}'


def test_a_task_can_be_called_as_the_function_it_is() -> None:
    assert combined("a", date(2026, 1, 1), Box(width=1))["text"] == "aa"
    assert combined.__doc__ == combined.function.__doc__


def test_its_terms_reach_the_registration() -> None:
    registration = registrations({"combined": combined}, Executors(1))["combined"]
    assert (registration.max_attempts, registration.timeout_seconds, registration.retry_on) == (5, 30, (OSError,))
    assert registration.policy(Task("combined", "cpu")).backoff == Backoff(1, 9)


@pytest.mark.parametrize("function", [told, told_in_loop])
async def test_a_parameter_for_the_context_is_filled(function: TaskFunction[..., Any]) -> None:
    reports: list[Progress] = []
    assert await call(function, b'{"x": 3}', reports=reports) == b"[3,1,1,true]"
    assert reports == [Progress(fraction=0.5, message="told")]
    with pytest.raises(InvalidPayloadError, match="context"):
        await call(function, b'{"x": 3, "context": {}}')


async def test_a_coroutine_function_runs_in_the_loop_and_tells_its_progress() -> None:
    reports: list[Progress] = []
    assert await call(in_loop, b'{"fractions": [0.25, 1]}', reports=reports) == b'"MainThread"'
    assert reports == [Progress(fraction=0.25, message="on the way"), Progress(fraction=1, message="on the way")]


async def test_progress_comes_from_a_thread_too() -> None:
    reports: list[Progress] = []
    assert await call(in_thread, b"{}", reports=reports) == b"null"
    assert reports == [Progress(fraction=0.5)]


async def test_progress_out_of_range_is_the_nearer_end_of_it() -> None:
    reports: list[Progress] = []
    await call(in_loop, b'{"fractions": [1.0000000000000002, -1]}', reports=reports)
    assert [report.fraction for report in reports] == [1, 0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "text: Field required"),
        (b'{"text": 1, "day": "2026-11-21", "box": {"width": 3}}', "text: Input should be a valid string"),
        (b'{"text": "a", "day": "2026-11-21", "box": {"width": "wide"}}', "box.width: Input should be a valid integer"),
        (
            b'{"text": "a", "day": "2026-11-21", "box": {"width": 1}, "colour": 1}',
            "colour: Extra inputs are not permitted",
        ),
        (b"[1]", "payload: Input should be an object"),
        (b"{", "payload: Invalid JSON"),
    ],
)
async def test_a_wrong_payload_is_refused_by_the_name_of_what_is_wrong(body: bytes, said: str) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        await call(combined, body)
    assert caught.value.code == "invalid-payload"
    assert said in caught.value.detail


async def test_json_is_json_however_its_type_is_written() -> None:
    assert orjson.loads(await call(in_loop, b'{"fractions": []}', "Application/JSON; charset=utf-8"))


async def test_a_payload_that_is_not_json_is_refused() -> None:
    with pytest.raises(InvalidPayloadError, match="not image/png"):
        await call(combined, b"\x89PNG", "image/png")


async def test_a_result_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidResultError) as caught:
        await call(strange, b"{}")
    assert caught.value.code == "invalid-result"


@task(pool="cpu")
def of_text() -> Payload:
    return Payload("text", "text/plain")  # type: ignore[arg-type]  # as untyped code does


@task(pool="cpu")
def of_no_type() -> Payload:
    return Payload(b"bytes", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [of_text, of_no_type])
async def test_a_payload_of_anything_else_than_bytes_is_refused(function: TaskFunction[..., Any]) -> None:
    with pytest.raises(InvalidResultError, match="they are bytes and str"):
        await call(function, b"{}")


@task(pool="cpu")
def of_cut_off_json() -> Payload:
    return Payload(b"[" + b"1, " * 2**20)


async def test_a_payload_of_what_only_looks_like_json_is_refused() -> None:
    with pytest.raises(InvalidResultError, match="a Payload that is not JSON"):
        await call(of_cut_off_json, b"{}")


@task(pool="cpu")
def looks_too_far() -> int:
    return next(iter([]))


async def test_a_function_that_raises_stop_iteration_has_failed() -> None:
    with pytest.raises(RuntimeError, match="the function raised StopIteration"):
        async with asyncio.timeout(1):
            await call(looks_too_far, b"{}")


async def test_a_function_that_would_end_the_process_has_failed() -> None:
    with pytest.raises(RuntimeError, match="SystemExit"):
        await call(leaves, b"{}")
    with pytest.raises(RuntimeError, match="SystemExit"):
        await call(leaves_the_loop, b"{}")


def test_what_cannot_be_a_task_says_so() -> None:
    def positional(a: int, /) -> None: ...
    def secret() -> SecretStr: ...  # type: ignore[empty-body]

    with pytest.raises(SettingsError, match="returns a secret"):
        registrations({"secret": task(secret)}, Executors(1))
    with pytest.raises(SettingsError, match="its parameter 'a' has no name"):
        registrations({"positional": task(pool="cpu")(positional)}, Executors(1))
    with pytest.raises(ValueError, match="cannot be a task's name"):
        task(pool="cpu", name="not a name")(positional)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"retry_backoff_seconds": 0}, "retry_backoff_seconds"),
        ({"retry_backoff_seconds": float("nan")}, "retry_backoff_seconds"),
        ({"retry_backoff_max_seconds": 31 * 24 * 3600}, "30 days"),
        ({"retry_backoff_seconds": 60, "retry_backoff_max_seconds": 30}, "must not be less"),
        ({"retry_on": OSError}, "tuple of exception classes"),
        ({"retry_on": ("OSError",)}, "tuple of exception classes"),
    ],
)
def test_an_option_out_of_range_says_so(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        task(pool="cpu", **options)


def test_a_coroutine_function_in_a_child_process_is_refused() -> None:
    with pytest.raises(ValueError, match="process=True is for plain functions"):
        task(pool="cpu", name="odd", process=True)(in_loop.function)


def test_functions_are_found_in_modules_and_a_name_stands_for_one() -> None:
    assert set(find_functions([diagnostics])) >= {"echo", "sleep"}
    twin = type(diagnostics)("twin")
    twin.__dict__["echo"] = task(pool="cpu", name="echo")(in_thread.function)
    with pytest.raises(SettingsError, match="two functions are tasks named 'echo'"):
        find_functions([diagnostics, twin])


async def test_the_diagnostics_work() -> None:
    reports: list[Progress] = []
    assert await call(diagnostics.echo, b'{"text": "hello"}') == b'"hello"'
    assert float(await call(diagnostics.sleep, b'{"seconds": 0.02}', reports=reports)) >= 0.02
    assert reports


async def test_a_thread_that_runs_on_does_not_hold_up_the_next_call() -> None:
    threads, release = Threads(), threading.Event()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.run(release.wait), 0.01)
    assert await asyncio.wait_for(threads.run(lambda: "next"), 1) == "next"
    release.set()


async def test_what_runs_on_long_after_it_was_to_stop_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    executors, release = Executors(2), threading.Event()
    calls = [asyncio.create_task(executors.threads.run(release.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert executors.worn() is None
    for running in calls:
        running.cancel()
    await asyncio.wait(calls)
    assert executors.worn() is None
    monkeypatch.setattr(threads_module, "AFTERWARDS_SECONDS", 0.0)
    assert "2 plain functions run on" in (executors.worn() or "")
    release.set()
    await until(lambda: executors.worn() is None)


@task(pool="cpu")
def heeds() -> dict[str, object]:
    here = current_task()
    report_progress(0.5)
    while not here.canceled:
        time.sleep(0.001)
    seen.append(here.canceled)
    return {}


@task(pool="cpu")
async def heeds_in_loop() -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        seen.append(current_task().canceled)
        raise


seen: list[bool] = []


@pytest.mark.parametrize("function", [heeds, heeds_in_loop])
async def test_a_function_sees_that_it_is_to_stop(function: TaskFunction[..., Any]) -> None:
    seen.clear()
    handler = registrations({function.name: function}, Executors(1))[function.name].handler
    context = Context(Task(function.name, "cpu"), 1, 1, lambda _: None)
    stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
    ending = await execute(handler(context), seconds=0.05, stopped=stopped, stop=context.stop)
    assert isinstance(ending, Faulted)
    await until(lambda: seen == [True])


@task(pool="cpu")
def knows_itself() -> dict[str, object]:
    here = current_task()
    return {"id": here.id, "name": here.name, "attempt": here.attempt, "fence": here.fence, "left": here.seconds_left}


async def test_a_function_knows_its_attempt_and_its_time() -> None:
    handler = registrations({"knows_itself": knows_itself}, Executors(1))["knows_itself"].handler
    given = Context(Task("knows_itself", "cpu", id="t1"), 2, 77, lambda _: None, time.monotonic() + 60)
    said = orjson.loads((await handler(given)).body)
    assert 59 < said.pop("left") <= 60
    assert said == {"id": "t1", "name": "knows_itself", "attempt": 2, "fence": 77}


def test_outside_of_a_task_there_is_none_and_progress_goes_nowhere() -> None:
    report_progress(0.5)
    with pytest.raises(LookupError, match="where no task runs"):
        current_task()


async def test_idle_threads_are_used_again() -> None:
    threads = Threads()
    names = set()
    for _ in range(20):
        names.add(await threads.run(threading.get_ident))
        await asyncio.sleep(0.001)
    assert len(names) <= 2


async def test_what_found_no_thread_is_not_run_by_another_one_later() -> None:
    threads, calls = Threads(), list[str]()
    before = threading.stack_size(TOO_LARGE_A_STACK)
    try:
        with pytest.raises(RuntimeError, match="thread"):
            await threads.run(lambda: calls.append("first"))
    finally:
        threading.stack_size(before)
    await threads.run(lambda: calls.append("second"))
    assert calls == ["second"]


async def test_threads_run_side_by_side() -> None:
    threads, all_there = Threads(), threading.Barrier(10, timeout=30)
    await asyncio.gather(*(threads.run(all_there.wait) for _ in range(10)))
