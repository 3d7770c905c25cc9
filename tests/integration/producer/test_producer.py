"""The producer on real servers: what it accepted is there, and what is away is told in time."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.integration.producer.conftest import Consumer, Producer, apply_topology, consuming, producing
from tests.integration.servers import Workspace, through_a_proxy
from warren import AsyncClient, Client
from warren.errors import BrokerUnavailableError, ClientClosedError, RecordsUnavailableError, UnroutableError
from warren.record import State
from warren.tasks import JSON

ECHO = {"task": "echo", "args": {"text": "hello"}}
HTTP2 = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA"}
"""What Java's own client sends along with its first request to an address."""
AWAY_SECONDS = 2.0
"""Longer than a publish waits for the connection that is being made again, and than the pause before the next try."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer."""
    start = time.monotonic()
    yield
    taken = time.monotonic() - start
    assert taken < seconds, f"took {taken:.2f} s"


def submit(producer: Producer, **headers: str) -> httpx2.Response:
    """Submit a task."""
    return httpx2.post(f"{producer.url}/v1/tasks", json=ECHO, headers=headers, timeout=30)


def eventually(check: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until the check holds."""
    give_up = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < give_up, "it never came about"
        time.sleep(0.2)


async def test_a_waiting_request_is_answered_by_the_reply(producer: Producer, consumer: Consumer) -> None:
    async with consumer.working(), httpx2.AsyncClient(base_url=producer.url, timeout=30) as http:
        await http.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=10"})
        taken = []
        for _ in range(20):
            start = time.monotonic()
            response = await http.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=10"})
            taken.append(time.monotonic() - start)
            assert (response.status_code, response.json()["result"]) == (200, {"text": "hello"})
    assert sorted(taken)[10] < 0.1, f"the sweep (0.5 s), not the reply, ended the waits: {taken}"


def apart(http: HTTPConnection, body: bytes) -> HTTPResponse:
    """Submit with an offer of HTTP/2, the body after the head."""
    http.putrequest("POST", "/v1/tasks")
    for name, value in {**HTTP2, "Content-Type": JSON, "Content-Length": str(len(body))}.items():
        http.putheader(name, value)
    http.endheaders()
    time.sleep(0.05)
    http.send(body)
    return http.getresponse()


def together(http: HTTPConnection, body: bytes) -> HTTPResponse:
    """Submit with an offer of HTTP/2, head and body in one write."""
    http.request("POST", "/v1/tasks", body, {**HTTP2, "Content-Type": JSON})
    return http.getresponse()


def test_a_client_that_offers_http2_is_answered_in_what_it_speaks(producer: Producer) -> None:
    http = HTTPConnection("127.0.0.1", producer.port, timeout=10)
    with closing(http):
        for send in (together, apart, together, apart):  # all over one connection
            response = send(http, orjson.dumps(ECHO))
            assert (response.status, orjson.loads(response.read()).get("task")) == (202, "echo"), send.__name__


async def test_a_key_holds_over_a_restart(producer: Producer, consumer: Consumer) -> None:
    first = await asyncio.to_thread(submit, producer, **{"Idempotency-Key": "k"})
    assert await asyncio.to_thread(producer.stop) == 0
    await asyncio.to_thread(producer.start)
    second = await asyncio.to_thread(submit, producer, **{"Idempotency-Key": "k"})
    assert first.json()["id"] == second.json()["id"]
    async with consumer.working(), AsyncClient(producer.url) as client:
        assert await client.job(first.json()["id"]).get(timeout=10) == {"text": "hello"}
    assert consumer.deliveries == 1


def test_who_waits_learns_that_the_task_was_accepted_before_the_process_ends(
    workspace: Workspace, tmp_path: Path
) -> None:
    with (
        producing(workspace, tmp_path / "producer.log", WARREN_SHUTDOWN_SECONDS="3") as producer,
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(submit, producer, Prefer="wait=60")
        figures = f"{producer.url}/metrics"
        eventually(lambda: "\nwarren_requests_waiting 1.0\n" in httpx2.get(figures).text)
        assert producer.stop() == 0
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


def test_a_store_that_hangs_is_503_in_time(producer: Producer, workspace: Workspace) -> None:
    submit(producer)
    workspace.servers.store.freeze()
    try:
        with within(1.6):
            response = submit(producer)
        assert (response.status_code, response.json()["code"]) == (503, "records-unavailable")
        with within(1.6):
            ready = httpx2.get(f"{producer.url}/readyz")
        assert (ready.status_code, ready.json()["dependencies"]["records"]["state"]) == (200, "unavailable")
        assert ready.json()["dependencies"]["broker"]["state"] == "ok"
    finally:
        workspace.servers.store.thaw()
    eventually(lambda: submit(producer).status_code == 202)


def test_a_broker_that_hangs_is_503_in_time(producer: Producer, workspace: Workspace) -> None:
    submit(producer)
    workspace.servers.rabbitmq.freeze()
    try:
        with within(7):
            response = submit(producer)
        assert (response.status_code, response.json()["code"]) == (503, "broker-unavailable")
        assert int(response.headers["Retry-After"]) >= 1
    finally:
        workspace.servers.rabbitmq.thaw()
    eventually(lambda: submit(producer).status_code == 202)


@pytest.mark.parametrize(("server", "name"), [("rabbitmq", "broker"), ("store", "records"), ("objects", "objects")])
def test_readiness_names_the_one_that_is_frozen(
    producer: Producer, workspace: Workspace, server: str, name: str
) -> None:
    getattr(workspace.servers, server).freeze()
    try:
        with within(2.5):
            ready = httpx2.get(f"{producer.url}/readyz")
    finally:
        getattr(workspace.servers, server).thaw()
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    states = {name: dependency["state"] for name, dependency in ready.json()["dependencies"].items()}
    assert states == dict.fromkeys(states, "ok") | {name: "unavailable"}
    eventually(lambda: httpx2.get(f"{producer.url}/readyz").json()["status"] == "ready")


def test_a_broker_that_was_restarted_is_used_again(producer: Producer, workspace: Workspace) -> None:
    workspace.servers.rabbitmq.kill()
    try:
        with within(2):
            response = submit(producer)
        ready = httpx2.get(f"{producer.url}/readyz")
    finally:
        workspace.servers.rabbitmq.restart()
    assert (response.status_code, response.json()["code"]) == (503, "broker-unavailable")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    eventually(lambda: submit(producer).status_code == 202)

    async def answered() -> float:
        """Return what nine waits of ten do not exceed: the sweep, every 0.5 s, would end half of them later."""
        http = httpx2.AsyncClient(base_url=producer.url, timeout=30, headers={"Prefer": "wait=10"})
        async with consuming(workspace) as consumer, consumer.working(), http:
            await http.post("/v1/tasks", json=ECHO)
            return sorted([await _seconds_of(http) for _ in range(30)])[26]

    # It has a connection of its own, which may come back after that of the publisher: a second between its tries.
    eventually(lambda: asyncio.run(answered()) < 0.25)


async def _seconds_of(http: httpx2.AsyncClient) -> float:
    start = time.monotonic()
    assert (await http.post("/v1/tasks", json=ECHO)).status_code == 200
    return time.monotonic() - start


def test_without_a_queue_nothing_is_accepted(workspace: Workspace, tmp_path: Path) -> None:
    producer = Producer(workspace, tmp_path / "log")
    producer.start(until=503)
    try:
        ready = httpx2.get(f"{producer.url}/readyz").json()
        assert "warren topology apply" in ready["dependencies"]["broker"]["detail"]
        response = submit(producer)
        assert (response.status_code, response.json()["code"]) == (503, "unroutable")
        apply_topology(workspace)
        eventually(lambda: httpx2.get(f"{producer.url}/readyz").status_code == 200)
        assert submit(producer).status_code == 202
    finally:
        producer.stop()


def test_canceling(client: Client) -> None:
    job = client.submit("echo", text="hello")
    assert job.cancel().status is State.CANCELED
    assert job.status is State.CANCELED


async def test_straight_to_the_broker_the_calls_are_the_same(workspace: Workspace, consumer: Consumer) -> None:
    await asyncio.to_thread(apply_topology, workspace)
    broker = workspace.broker_url("warren-producer")
    async with AsyncClient(broker, records=workspace.records_url) as client:
        job = await client.submit("echo", text="hello")
        assert await job.status() is State.QUEUED
        async with consumer.working():
            assert await job.get(timeout=10) == {"text": "hello"}
        assert (await job.cancel()).status is State.SUCCEEDED


async def test_straight_to_the_broker_closing_a_client_ends_what_waits(workspace: Workspace) -> None:
    await asyncio.to_thread(apply_topology, workspace)
    client = AsyncClient(workspace.broker_url("warren-producer"), records=workspace.records_url)
    async with client:
        job = await client.submit("echo", text="hello")
        waiting = [asyncio.create_task(each) for each in (job.get(), client.job(job.id).wait())]
        await asyncio.sleep(0.2)
    with within(2):
        for one in waiting:
            with pytest.raises(ClientClosedError):
                await one
    with pytest.raises(ClientClosedError):
        await job.status()


async def test_the_first_task_of_a_client_is_replied_to(workspace: Workspace) -> None:
    await asyncio.to_thread(apply_topology, workspace)
    records = workspace.records()
    async with AsyncClient(workspace.broker_url("warren-producer"), records=workspace.records_url) as client:
        job = await client.submit("echo", text="hello")
    [record] = await records.read([job.id])
    await records.close()
    assert record is not None
    assert record.reply_to is not None


async def test_straight_to_the_broker_a_store_that_hangs_costs_a_wait(workspace: Workspace) -> None:
    await asyncio.to_thread(apply_topology, workspace)
    broker, records = workspace.broker_url("warren-producer"), workspace.records_url
    async with (
        AsyncClient(broker, records=records) as client,
        AsyncClient(broker, records=records, patience=0) as hasty,
    ):
        workspace.servers.store.freeze()
        try:
            submits = [asyncio.create_task(client.submit("echo", text="hello")) for _ in range(20)]
            with within(3), pytest.raises(RecordsUnavailableError):
                await hasty.submit("echo", text="hello")
            assert not any(submit.done() for submit in submits)
        finally:
            workspace.servers.store.thaw()
        jobs = await asyncio.gather(*submits)
        assert {await job.status() for job in jobs} == {State.QUEUED}


async def test_straight_to_the_broker_one_that_hangs_up_and_is_away_costs_a_wait(
    workspace: Workspace, consumer: Consumer, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(apply_topology, workspace)
    proxy, broker = through_a_proxy(workspace.broker_url("warren-producer"))
    connected = partial(AsyncClient, broker, records=workspace.records_url)

    async def submitted_by_another() -> str:
        async with connected() as other:
            return await submitted_by(other)

    async with AsyncExitStack() as line:
        await line.enter_async_context(proxy.running())
        async with connected() as client, connected(patience=0) as hasty:
            await line.aclose()
            with pytest.raises(BrokerUnavailableError):
                await submitted_by(hasty)
            works = [*(submitted_by(client) for _ in range(20)), submitted_by_another()]
            submits = [asyncio.create_task(work) for work in works]
            await asyncio.sleep(AWAY_SECONDS)
            assert not any(submit.done() for submit in submits)
            await line.enter_async_context(proxy.running())
            ids = set(await asyncio.gather(*submits))
            async with consumer.working():
                assert await client.gather(map(client.job, ids), timeout=20) == [{"text": "hello"}] * len(submits)
    assert consumer.deliveries == len(submits)
    assert "met a fault" not in capsys.readouterr().out, "it is nothing that is not provided for"


async def submitted_by(client: AsyncClient) -> str:
    """Submit a task and return its id."""
    return (await client.submit("echo", text="hello")).id


async def test_straight_to_the_broker_credentials_that_it_refuses_are_told_at_once(workspace: Workspace) -> None:
    wrong = workspace.broker_url("warren-producer").replace("@", "wrong@")
    client = AsyncClient(wrong, records=workspace.records_url)
    with within(4), pytest.raises(BrokerUnavailableError, match="refuses the credentials"):
        await client.__aenter__()
    await client.close()


def test_straight_to_the_broker_without_a_queue(workspace: Workspace) -> None:
    broker = workspace.broker_url("warren-producer")
    missing = pytest.raises(UnroutableError, match="topology apply")
    with Client(broker, records=workspace.records_url) as client, missing:
        client.submit("echo", text="hello")


def test_the_command_line_against_the_real_thing(producer: Producer) -> None:
    warren = Path(sys.executable).parent / "warren"
    submitted = subprocess.run(
        [warren, "submit", "echo", "text=hello", "--url", producer.url], capture_output=True, check=True, text=True
    )
    task_id = submitted.stdout.strip()
    shown = subprocess.run(
        [warren, "status", task_id, "-o", "json", "--url", producer.url], capture_output=True, check=True, text=True
    )
    assert orjson.loads(shown.stdout)["status"] == "queued"
    gone = subprocess.run([warren, "status", "x", "--url", producer.url], capture_output=True, check=False, text=True)
    assert gone.returncode == 3
    assert gone.stderr.startswith("warren: no task has the id 'x'")
