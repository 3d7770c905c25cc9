"""Functions in child processes: reused, followed, told to stop, certainly ended; and what their deaths mean."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from tests.integration.consumer.processes import alive, install, of_group, until
from warren.record import Progress, TaskError
from warren.settlement import AssessedError, Assessment
from warren.tasks import Payload, Task
from warren_consumer.functions.crew import Crew
from warren_consumer.handler import Context, TaskFault

FUNCTIONS = """
import asyncio, atexit, ctypes, functools, multiprocessing, os, signal, subprocess, sys, threading, time
from warren import CurrentTask, Fail, Retry, current_task, report_progress, task

@task(pool="cpu", process=True)
def who(text: str = "") -> dict:
    here = current_task()
    return {"pid": os.getpid(), "text": text, "id": here.id, "attempt": here.attempt, "fence": here.fence,
        "left": here.seconds_left, "canceled": here.canceled}

@task(pool="cpu", process=True)
def burns(trace: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    report_progress(0, f"{os.getpid()} {child.pid}")
    while True:
        pass

@task(pool="cpu", process=True)
def stubborn(trace: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: open(trace, "a").write("SIGTERM "))
    report_progress(0, str(os.getpid()))
    while True:
        if current_task().canceled:
            open(trace, "a").write("canceled ")
        time.sleep(0.3)

@task(pool="cpu", process=True)
def obedient() -> str:
    report_progress(0, str(os.getpid()))
    while not current_task().canceled:
        time.sleep(0.01)
    return "in order"

@task(pool="cpu", process=True)
def heeds(context: CurrentTask, until: str = "canceled") -> list:
    context.report_progress(0, str(os.getpid()))
    while until == "canceled" and not context.canceled:
        time.sleep(0.01)
    return [until, context.id, context.attempt, context.fence, context is current_task()]

@task(pool="cpu", process=True)
def counts(to: int, pause: float) -> int:
    for number in range(to):
        report_progress(number / to, str(number))
        time.sleep(pause)
    return to

@task(pool="cpu", process=True)
def leaves_a_thread(context: CurrentTask) -> None:
    def goes_on():
        while True:
            context.report_progress(0.7, "of the call before")
            time.sleep(0.01)
    threading.Thread(target=goes_on, daemon=True).start()
    time.sleep(0.3)

@task(pool="cpu", process=True)
def farewells(trace: str) -> int:
    atexit.register(lambda: open(trace, "w").write("farewell"))
    return os.getpid()

@task(pool="cpu", process=True)
def naps() -> None:
    time.sleep(0.3)

@task(pool="cpu", process=True)
def forks() -> None:
    multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,)).start()
    report_progress(0, str(os.getpid()))
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)

@task(pool="cpu", process=True, retry_on=(OSError,))
def raises(what: str) -> None:
    if what == "os":
        raise ConnectionError("the line is dead")
    if what == "value":
        raise ValueError("no number")
    if what == "fail":
        raise Fail("bad-input", "there is nothing in it")
    if what == "exit":
        sys.exit(4)
    if what == "unprintable":
        return object()
    try:
        raise KeyError("gone")
    except KeyError as error:
        raise Retry("later", after=7) from error

@task(pool="cpu", process=True)
def dies(how: str) -> None:
    print("last words")
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    os.kill(os.getpid(), signal.SIGKILL)

@task(pool="cpu", process=True)
def prints(lines: int) -> None:
    for number in range(lines):
        os.write(2, b"line ")
        time.sleep(0.01)
        print(number)
    print("in full", end="")

@task(pool="cpu", process=True)
def floods(lines: int) -> None:
    os.write(2, b"\\n" * lines)

@task(pool="cpu", process=True)
def large(size: int) -> bytes:
    return "x" * size


def plainly(function):
    return functools.wraps(function)(lambda **arguments: function(**arguments))


@task(pool="cpu", process=True)
@plainly
async def in_a_loop(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1
"""


@pytest.fixture(autouse=True)
def _functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution that offers these functions, for child processes."""
    install(tmp_path, "some_functions", FUNCTIONS, "warren.tasks", {"some": "some_functions"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
async def crew() -> AsyncIterator[Crew]:
    """Give a crew of which no child is left."""
    crew = Crew()
    yield crew
    await crew.close()


def context(name: str, reports: list[Progress] | None = None, **arguments: Any) -> Context:
    task = Task(name, "cpu", Payload(orjson.dumps(arguments)), id=f"id-of-{name}")
    deadline = time.monotonic() + 60
    return Context(task, 2, 77, (reports if reports is not None else []).append, deadline)


async def call(crew: Crew, name: str, **arguments: Any) -> Any:
    return orjson.loads((await crew.call(context(name, **arguments))).body)


async def begun(crew: Crew, name: str, **arguments: Any) -> tuple[asyncio.Task[Payload], list[int]]:
    """Begin a call that tells pids as its first progress; return both."""
    reports: list[Progress] = []
    running = asyncio.create_task(crew.call(context(name, reports, **arguments)))
    await until(lambda: bool(reports))
    return running, [int(word) for word in (reports[0].message or "").split()]


async def test_a_call_knows_its_task_and_its_child_is_used_again(crew: Crew) -> None:
    first = await call(crew, "who", text="a")
    assert (first["text"], first["id"], first["attempt"], first["fence"]) == ("a", "id-of-who", 2, 77)
    assert 50 < first["left"] < 60
    assert first["canceled"] is False
    began = time.monotonic()
    assert (await call(crew, "who"))["pid"] == first["pid"] != os.getpid()
    assert time.monotonic() - began < 0.2


async def test_calls_at_once_have_a_child_each_and_wrong_arguments_cost_none(crew: Crew) -> None:
    both = await asyncio.gather(call(crew, "who"), call(crew, "who"))
    assert both[0]["pid"] != both[1]["pid"]
    with pytest.raises(AssessedError) as caught:
        await call(crew, "who", colour="red")
    assert caught.value.assessment.error.code == "invalid-payload"
    assert {(await call(crew, "who"))["pid"]} <= {both[0]["pid"], both[1]["pid"]}


async def test_a_coroutine_function_behind_a_plain_decorator_is_awaited(crew: Crew) -> None:
    assert await call(crew, "in_a_loop", number=2) == 3


async def test_a_result_of_many_bytes_comes_whole(crew: Crew) -> None:
    assert len(await call(crew, "large", size=40_000_000)) == 40_000_000


async def test_a_flood_of_progress_is_thinned_out_ends_with_its_last_and_is_not_the_next_calls(crew: Crew) -> None:
    reports: list[Progress] = []
    await crew.call(context("counts", reports, to=200, pause=0.002))
    assert 2 <= len(reports) < 30
    assert reports[-1].message == "199"
    others: list[Progress] = []
    await crew.call(context("naps", others))
    assert others == []


async def test_what_a_thread_that_was_left_behind_tells_is_not_of_the_next_call(crew: Crew) -> None:
    reports: list[Progress] = []
    await crew.call(context("leaves_a_thread", reports))
    assert {report.message for report in reports} == {"of the call before"}
    others: list[Progress] = []
    await crew.call(context("naps", others))
    assert others == []


@pytest.mark.parametrize(
    ("what", "code", "message", "again", "traced"),
    [
        ("os", "exception", "ConnectionError: the line is dead", True, True),
        ("value", "exception", "ValueError: no number", False, True),
        ("fail", "bad-input", "there is nothing in it", False, False),
        ("exit", "exception", "RuntimeError: the function raised SystemExit(4)", False, True),
        ("unprintable", "invalid-result", "", False, False),
        ("retry", "retry", "later", True, True),
    ],
)
async def test_what_a_function_raises_is_assessed_where_its_class_is_known(
    crew: Crew, what: str, code: str, message: str, *, again: bool, traced: bool
) -> None:
    pid = (await call(crew, "who"))["pid"]
    found = await assessment(crew, what)
    assert found.error.code == code
    assert message in found.error.message
    assert found.retryable is again
    assert ("some_functions.py" in (found.error.traceback or "")) is traced
    assert (await call(crew, "who"))["pid"] == pid


async def test_a_retry_brings_its_delay_and_its_cause(crew: Crew) -> None:
    found = await assessment(crew, "retry")
    assert found.after_seconds == 7
    assert isinstance(found.last_error, TaskError)
    assert found.last_error.message == "KeyError: 'gone'"


async def assessment(crew: Crew, what: str) -> Assessment:
    with pytest.raises(AssessedError) as caught:
        await call(crew, "raises", what=what)
    return caught.value.assessment


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "exit status 7"), ("segfault", "SIGSEGV"), ("kill", "SIGKILL; out of memory")]
)
async def test_a_death_costs_its_own_attempt_only(crew: Crew, how: str, said: str) -> None:
    neighbour, (pid,) = await begun(crew, "obedient")
    with pytest.raises(TaskFault, match=said) as caught:
        await call(crew, "dies", how=how)
    assert (caught.value.code, caught.value.retryable) == ("child-died", True)
    assert alive(pid)
    assert not neighbour.done()
    assert (await call(crew, "who"))["pid"] != pid
    neighbour.cancel()
    await asyncio.wait({neighbour})


async def test_what_a_function_prints_is_logged_line_by_line_however_it_comes() -> None:
    crew = Crew()
    with capture_logs() as logged:
        await crew.call(context("prints", lines=20))
        await crew.close()
    assert [entry["line"] for entry in logged] == [*(f"line {number}" for number in range(20)), "in full"]


async def test_a_flood_of_prints_lets_others_have_their_turn(crew: Crew) -> None:
    with capture_logs() as logged:
        running, seen = asyncio.create_task(crew.call(context("floods", lines=300_000))), [0]
        while len(logged) < 300_000:
            await asyncio.sleep(0)
            seen.append(len(logged))
        await running
    assert max(later - earlier for earlier, later in pairwise(seen)) < 10_000


async def test_a_child_that_died_idle_costs_nobody_anything(crew: Crew) -> None:
    pid = (await call(crew, "who"))["pid"]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not alive(pid))
    await asyncio.sleep(0.05)
    assert (await call(crew, "who"))["pid"] != pid


async def test_a_busy_loop_and_what_it_started_are_gone_soon_after_a_cancel(crew: Crew) -> None:
    running, pids = await begun(crew, "burns", trace="")
    assert len(pids) == 2
    began = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not any(map(alive, pids)), seconds=2)
    assert time.monotonic() - began < 3


async def test_a_child_is_told_then_asked_then_killed(crew: Crew, tmp_path: Path) -> None:
    running, (pid,) = await begun(crew, "stubborn", trace=str(tmp_path / "trace"))
    began = time.monotonic()
    running.cancel()
    await asyncio.wait({running})
    assert not alive(pid)
    assert 2.5 < time.monotonic() - began < 5
    words = (tmp_path / "trace").read_text().split()
    assert words[0] == "canceled"
    assert words.count("SIGTERM") == 1


async def test_a_second_cancel_kills_at_once(crew: Crew, tmp_path: Path) -> None:
    running, (pid,) = await begun(crew, "stubborn", trace=str(tmp_path / "trace"))
    running.cancel()
    await asyncio.sleep(1.3)
    running.cancel()
    await asyncio.wait({running})
    await until(lambda: not alive(pid), seconds=1)


async def test_a_child_that_does_not_even_take_its_orders_is_ended(crew: Crew) -> None:
    pid = (await call(crew, "who"))["pid"]
    os.kill(pid, signal.SIGSTOP)
    running = asyncio.create_task(crew.call(context("who", text="x" * 10_000_000)))
    await asyncio.sleep(0.1)
    running.cancel()
    async with asyncio.timeout(6):
        await asyncio.wait({running})
    assert not alive(pid)


async def test_a_parameter_for_the_context_is_filled(crew: Crew) -> None:
    assert await call(crew, "heeds", until="now") == ["now", "id-of-heeds", 2, 77, True]


@pytest.mark.parametrize("function", ["obedient", "heeds"])
async def test_a_function_that_heeds_the_flag_keeps_its_child(crew: Crew, function: str) -> None:
    running, (pid,) = await begun(crew, function)
    began = time.monotonic()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert time.monotonic() - began < 0.9
    assert (await call(crew, "who"))["pid"] == pid


async def test_a_process_that_the_function_forked_does_not_hide_its_death(crew: Crew) -> None:
    running, (pid,) = await begun(crew, "forks")
    async with asyncio.timeout(10):
        with pytest.raises(TaskFault, match="SIGKILL"):
            await running
    await until(lambda: not any(of_group(pid)), seconds=2)


async def test_closing_leaves_no_child_and_lets_each_end_in_order(crew: Crew, tmp_path: Path) -> None:
    pid = await call(crew, "farewells", trace=str(tmp_path / "trace"))
    await crew.close()
    assert not alive(pid)
    assert (tmp_path / "trace").read_text() == "farewell"


@pytest.mark.parametrize("name", ["burns", "who"])
async def test_children_busy_and_idle_die_with_their_consumer(name: str) -> None:
    code = (
        "import asyncio, sys; from tests.integration.consumer.test_function_children import *\n"
        "async def main():\n"
        "    crew = Crew()\n"
        "    said = []\n"
        f"    running = asyncio.create_task(crew.call(context({name!r}, said, **ARGUMENTS[{name!r}])))\n"
        "    while not said and not running.done(): await asyncio.sleep(0.01)\n"
        "    print(said[0].message if said else orjson.loads(running.result().body)['pid'], flush=True)\n"
        "    await asyncio.sleep(300)\n"
        "asyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
    try:
        assert parent.stdout is not None
        pid, *others = map(int, (await asyncio.to_thread(parent.stdout.readline)).split())
        assert alive(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()  # type: ignore[union-attr]
    await until(lambda: not alive(pid), seconds=2)
    for other in others:
        os.kill(other, signal.SIGKILL)


ARGUMENTS = {"burns": {"trace": ""}, "who": {"text": ""}}
