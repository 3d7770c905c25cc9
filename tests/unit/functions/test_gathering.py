"""Many jobs: each as it ends, the results of all, and the bar meanwhile."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

import warren
from tests.unit.functions.api import Api
from warren import AsyncClient, Client, task
from warren.client import AsyncJob, default, gathering
from warren.client.deliveries import WebhookDocument
from warren.client.documents import TaskDocument
from warren.errors import InvalidRequestError, NotFoundError, TaskFailedError, WaitTimeoutError
from warren.record import State, TaskError
from warren.tasks import Payload
from warren.testing import eager
from warren.webhook import WebhookState

LARGE_SECONDS = 0.1


class Tasks:
    """Tasks that end when they are told to."""

    def __init__(self) -> None:
        self.ends: dict[str, State] = {}
        self.gone: set[str] = set()
        self.large: set[str] = set()
        self.waiting = self.most_waiting = 0
        self._changed = asyncio.Event()

    def end(self, task_id: str, state: State = State.SUCCEEDED) -> None:
        """End a task; its result is its id."""
        self.ends[task_id] = state
        self._changed.set()
        self._changed = asyncio.Event()

    def jobs(self, count: int) -> list[AsyncJob[Any]]:
        """Return the jobs of so many tasks."""
        return [AsyncJob(self, str(number)) for number in range(count)]

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Wait for the task as a gateway does."""
        if task_id in self.gone:
            raise NotFoundError(f"there is no task {task_id}")
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            async with asyncio.timeout(wait_seconds):
                while task_id not in self.ends:
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting -= 1
        return self._document(task_id)

    async def cancel(self, task_id: str) -> TaskDocument:
        """Leave it."""
        return self._document(task_id)

    async def result(self, task_id: str) -> Payload:
        """Return its id, after as long as a large one takes."""
        await asyncio.sleep(LARGE_SECONDS)
        return Payload(task_id.encode())

    async def deliveries(self, task_id: str) -> WebhookDocument:
        """Return that there is nothing to tell yet."""
        return WebhookDocument(id=task_id, status=WebhookState.WAITING)

    async def redeliver(self, task_id: str) -> WebhookDocument:
        """Leave it."""
        return await self.deliveries(task_id)

    def _document(self, task_id: str) -> TaskDocument:
        state = self.ends.get(task_id, State.STARTED)
        error = TaskError(code="boom", message=f"boom {task_id}") if state is State.FAILED else None
        url = f"/v1/tasks/{task_id}/result" if task_id in self.large else None
        document = TaskDocument(id=task_id, task="t", pool="cpu", status=state, error=error, result_url=url)
        if url is not None:
            return document
        return document.with_result(Payload(task_id.encode())) if state is State.SUCCEEDED else document


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at jobs in turns of ten milliseconds."""
    monkeypatch.setattr(gathering, "LOOK_SECONDS", 0.01)


async def test_each_comes_when_it_ends_however_it_ends() -> None:
    tasks, order = Tasks(), ["2", "0", "1"]

    async def end_them() -> None:
        for task_id in order:
            await asyncio.sleep(0.01)
            tasks.end(task_id, State.FAILED if task_id == "0" else State.SUCCEEDED)

    ending = asyncio.create_task(end_them())
    assert [job.id async for job in gathering.as_completed(tasks.jobs(3))] == order
    await ending


async def test_large_results_are_read_side_by_side_and_in_time() -> None:
    tasks = Tasks()
    jobs = tasks.jobs(30)
    for job in jobs:
        tasks.large.add(job.id)
        tasks.end(job.id)
    assert await gathering.gather(jobs, timeout=10 * LARGE_SECONDS) == list(range(30))
    with pytest.raises(WaitTimeoutError, match="30 of 30"):
        await gathering.gather([AsyncJob(tasks, job.id) for job in jobs], timeout=LARGE_SECONDS / 2)


async def test_results_come_in_the_order_of_the_jobs_and_a_fault_in_its_place() -> None:
    tasks = Tasks()
    jobs = tasks.jobs(3)
    for task_id, state in (("2", State.SUCCEEDED), ("1", State.FAILED), ("0", State.SUCCEEDED)):
        tasks.end(task_id, state)
    first, fault, last = await gathering.gather(jobs, return_exceptions=True)
    assert (first, last) == (0, 2)
    assert isinstance(fault, TaskFailedError)
    with pytest.raises(TaskFailedError, match="boom 1"):
        await gathering.gather(jobs)


async def test_a_task_whose_record_is_gone_costs_nobody_elses_result() -> None:
    tasks = Tasks()
    jobs = tasks.jobs(3)
    tasks.gone.add("1")
    tasks.end("0")
    tasks.end("2")
    assert {job.id async for job in gathering.as_completed(jobs)} == {"0", "1", "2"}
    first, fault, last = await gathering.gather(jobs, return_exceptions=True)
    assert (first, last) == (0, 2)
    assert isinstance(fault, NotFoundError)
    with pytest.raises(NotFoundError, match="no task 1"):
        await gathering.gather(jobs)


@pytest.mark.usefixtures("quick")
async def test_of_a_mass_some_are_looked_at_at_a_time_and_the_last_is_not_forgotten() -> None:
    tasks = Tasks()
    tasks.end("199")
    async for job in gathering.as_completed(tasks.jobs(200)):
        assert job.id == "199"
        break
    assert tasks.most_waiting == gathering.AT_ONCE


async def test_a_limit_of_time_says_how_many_are_left_and_leaves_nothing_behind() -> None:
    tasks = Tasks()
    tasks.end("0")
    with pytest.raises(WaitTimeoutError, match=r"2 of 3 tasks have not ended after 0\.05 s; they go on"):
        await gathering.gather(tasks.jobs(3), timeout=0.05)
    assert tasks.waiting == 0


async def test_the_bar_tells_how_many_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = Tasks()
    for number, state in enumerate((State.SUCCEEDED, State.FAILED)):
        tasks.end(str(number), state)
    await gathering.gather(tasks.jobs(2), progress=True, return_exceptions=True)
    told = capsys.readouterr()
    assert "2/2 1 without success" in told.err
    assert told.out == ""
    await gathering.gather(tasks.jobs(2), return_exceptions=True)
    assert capsys.readouterr().err == ""


async def test_what_is_printed_beside_the_bar_goes_where_it_was_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # standard error is a terminal, standard output is none
    tasks = Tasks()
    gathered = asyncio.create_task(gathering.gather(tasks.jobs(1), progress=True))
    await asyncio.sleep(0.01)
    print("a result")  # noqa: T201
    tasks.end("0", State.SUCCEEDED)
    await gathered
    told = capsys.readouterr()
    assert "1/1" in told.err
    assert told.out == "a result\n"


class Plain:
    """What some programs put in the place of standard output."""

    def write(self, text: str) -> None:
        """Take what is printed."""

    def flush(self) -> None:
        """Do nothing."""


def closed() -> io.StringIO:
    output = io.StringIO()
    output.close()
    return output


@pytest.mark.parametrize("output", [None, closed(), Plain()])
@pytest.mark.parametrize("progress", [False, True])
async def test_jobs_are_gathered_whatever_standard_output_is(
    monkeypatch: pytest.MonkeyPatch, output: object, *, progress: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", output)
    tasks = Tasks()
    tasks.end("0", State.SUCCEEDED)
    assert len(await gathering.gather(tasks.jobs(1), progress=progress)) == 1


@task()
def double(n: int) -> dict[str, int]:
    return {"n": n}


@pytest.mark.parametrize("gather", [warren.gather, lambda jobs: default.default_client().gather(jobs)])
def test_ordinary_programs_have_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch, gather: Callable[..., list[Any]]
) -> None:
    monkeypatch.setenv("WARREN_URL", "http://api")
    jobs = double.map(range(60))
    assert gather(jobs) == [{"n": n} for n in range(60)]
    assert {job.id for job in warren.as_completed(jobs)} == {job.id for job in jobs}
    assert next(iter(warren.as_completed(jobs))) in jobs
    assert warren.gather([]) == list(warren.as_completed([])) == []


async def test_programs_of_asyncio_have_the_same(api: Api) -> None:
    async with AsyncClient("http://api") as client:
        jobs = await double.with_options(client=client).amap(range(3))
        assert await client.gather(jobs) == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert {job.id async for job in client.as_completed(jobs)} == {job.id for job in jobs}


def test_jobs_of_several_clients_are_told_apart(api: Api) -> None:
    with Client("http://a") as one, Client("http://b") as other, pytest.raises(InvalidRequestError, match="several"):
        warren.gather([one.job("1"), other.job("2")])


def test_eager_jobs_too() -> None:
    with eager():
        jobs = double.map([1, 2])
        assert warren.gather(jobs) == [{"n": 1}, {"n": 2}]
        assert len(list(warren.as_completed(jobs))) == 2
