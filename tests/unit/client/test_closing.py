"""What becomes of a client's calls when it is closed: those that wait end at once, and later ones are refused."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.unit.client.test_clients import document
from tests.unit.gateway import answered_by
from warren import AsyncClient, Client, as_completed, gather
from warren.client.web import WebGateway
from warren.errors import ClientClosedError

SOON = 2.0


class Silence:
    """An API that accepts tasks, and never tells how they stand, but for those that have `ended`."""

    def __init__(self) -> None:
        self.asked = self.waiting = 0
        self.ended: set[str] = set()
        """The paths of those tasks."""
        self._asked = asyncio.Event()

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a submission."""
        if request.method == "POST":
            return document("queued")
        self.asked += 1
        self._asked.set()
        if request.url.path in self.ended:
            return document("succeeded", result=1, result_type="application/json")
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        raise AssertionError

    async def heard(self, questions: int) -> None:
        """Return when so many have been asked."""
        while self.asked < questions:
            self._asked.clear()
            await self._asked.wait()

    def client(self) -> AsyncClient:
        """Return a client of it."""
        return AsyncClient.over(WebGateway("http://api", patience=1, transport=httpx2.MockTransport(self)))


@pytest.fixture
def silence() -> Silence:
    return Silence()


@pytest.fixture
def client(silence: Silence, monkeypatch: pytest.MonkeyPatch) -> Client:
    answered_by(silence, monkeypatch)  # type: ignore[arg-type]
    return Client("http://api")


WAYS: dict[str, Callable[[Client], Any]] = {
    "get": lambda client: client.submit("echo").get(),
    "wait": lambda client: client.submit("echo").wait(100),
    "status": lambda client: client.job("1").status,
    "gather": lambda client: gather([client.submit("echo")]),
    "as_completed": lambda client: list(as_completed([client.submit("echo")])),
    "asynchronous": lambda client: asyncio.run(client.asynchronous().job("1").get()),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_closing_a_client_ends_what_other_threads_wait_for(
    client: Client, silence: Silence, way: Callable[[Client], Any]
) -> None:
    with ThreadPoolExecutor() as threads:
        waiting: list[Future[Any]] = [threads.submit(way, client) for _ in range(3)]
        give_up = time.monotonic() + SOON
        while silence.asked < len(waiting) and time.monotonic() < give_up:
            time.sleep(0.01)
        began = time.monotonic()
        client.close()
        for one in waiting:
            with pytest.raises(ClientClosedError, match="go on"):
                one.result(SOON)
        assert time.monotonic() - began < SOON


def test_a_client_may_be_closed_twice_by_whomever_and_is_of_no_use_then(client: Client) -> None:
    job = client.submit("echo")
    with ThreadPoolExecutor() as threads:
        for closing in [threads.submit(client.close) for _ in range(4)]:
            closing.result(SOON)
    client.close()
    more: list[Callable[[Client], Any]] = [
        lambda _: job.get(),
        lambda _: job.cancel(),
        lambda client: client.predict("iris", [[1]]),
    ]
    for use in [*WAYS.values(), *more]:
        with pytest.raises(ClientClosedError, match="was closed"):
            use(client)


def test_what_is_left_of_as_completed_may_be_closed_after_its_client(
    client: Client, silence: Silence, caplog: pytest.LogCaptureFixture
) -> None:
    silence.ended.add("/v1/tasks/1")
    ended = as_completed([client.job("1"), client.job("2")])
    assert next(ended).id == "1"
    client.close()
    assert isinstance(ended, Generator)
    ended.close()
    del ended
    gc.collect()
    assert not caplog.records, "the looks that were under way have ended, and nobody forgot how"


@pytest.fixture
def ctrl_c(silence: Silence) -> Iterator[Callable[[], None]]:
    """Give what interrupts this thread soon after it has begun to wait, as Ctrl-C does."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressing: list[threading.Thread] = []

    def press(thread: int) -> None:
        while not silence.waiting:
            time.sleep(0.01)
        time.sleep(0.1)
        signal.pthread_kill(thread, signal.SIGINT)

    def begin() -> None:
        pressing.append(threading.Thread(target=press, args=(threading.get_ident(),), daemon=True))
        pressing[-1].start()

    yield begin
    for thread in pressing:
        thread.join()
    signal.signal(signal.SIGINT, former)


def test_ctrl_c_is_what_it_is_and_the_client_goes_on(
    client: Client, silence: Silence, ctrl_c: Callable[[], None]
) -> None:
    with client:
        for way in (WAYS["as_completed"], WAYS["gather"], WAYS["get"]):
            ctrl_c()
            with pytest.raises(KeyboardInterrupt):
                way(client)
            assert not silence.waiting, "what was interrupted has ended"
        assert client.submit("echo").id == "1"


async def test_closing_an_asynchronous_client_ends_what_waits(silence: Silence) -> None:
    async with silence.client() as client:
        job = await client.submit("echo")
        waiting = [asyncio.create_task(one) for one in (job.get(), client.gather([job]), job.status())]
        canceled = asyncio.create_task(job.get())
        await silence.heard(4)
        canceled.cancel()
        await client.close()
        for one in waiting:
            with pytest.raises(ClientClosedError, match="go on"):
                await asyncio.wait_for(one, SOON)
        with pytest.raises(asyncio.CancelledError):
            await canceled
        await client.close()
        for use in (
            job.get(),
            client.submit("echo"),
            client.submit_many([{"task": "echo"}]),
            client.predict("i", [[1]]),
        ):
            with pytest.raises(ClientClosedError):
                await use
        with pytest.raises(ClientClosedError):
            await client.__aenter__()


def test_an_asynchronous_client_is_of_one_loop(silence: Silence) -> None:
    client = silence.client()
    elsewhere = pytest.raises(
        ClientClosedError, match=r"another one: make one in each.*Client\(\.\.\.\)\.asynchronous\(\)"
    )
    with asyncio.Runner() as first:
        job = first.run(client.submit("echo"))
        for use in (lambda: client.submit("echo"), job.get, client.__aenter__, client.close):
            with elsewhere:
                asyncio.run(use())
        assert first.run(client.submit("echo")).id == "1"
    with elsewhere:
        asyncio.run(job.get())
    asyncio.run(client.close())  # its connections have ended with their loop


def test_an_asynchronous_client_of_an_ordinary_one_is_of_any_loop(client: Client) -> None:
    with client:
        both = client.asynchronous()
        assert [asyncio.run(both.submit("echo")).id for _ in range(2)] == ["1", "1"]


async def test_a_task_that_met_the_closing_may_go_on(silence: Silence) -> None:
    """What ended it was no cancellation: a limit that it sets afterwards is kept."""
    client = silence.client()

    async def program() -> str:
        with pytest.raises(ClientClosedError):
            await client.job("1").get()
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "went on"
        return ""

    running = asyncio.create_task(program())
    await silence.heard(1)
    await client.close()
    assert await running == "went on"


def test_a_client_that_is_dropped_ends_with_the_last_of_its_jobs(
    silence: Silence, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered_by(silence, monkeypatch)  # type: ignore[arg-type]
    before = set(threading.enumerate())
    silence.ended.add("/v1/tasks/1")
    job = Client("http://api").submit("echo")
    [thread] = set(threading.enumerate()) - before
    gc.collect()
    assert job.get() == 1
    del job
    gc.collect()
    thread.join(SOON)
    assert not thread.is_alive()
