"""Dead letters on real servers: tasks that fail in every way are listed, looked into, replayed and discarded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.producer.conftest import Producer, apply_topology
from tests.integration.servers import Workspace
from warren import AsyncClient
from warren.broker.amqp import AmqpBroker
from warren.client.documents import TaskDocument
from warren.errors import ReplayLimitError, ReplayRefusedError
from warren.message import Message
from warren.record import State
from warren.tasks import new_task_id
from warren.topology import TASKS

TROUBLED = '''
"""Tasks that fail for as long as there is a file."""

import os, signal
from warren import task

def broken():
    return os.path.exists(os.environ["BROKEN"])

@task(pool="cpu")
async def fragile(number: int = 0, text: str = "") -> int:
    if broken():
        raise ValueError(f"boom {number}")
    return number + len(text)

@task(pool="cpu")
async def deadly() -> str:
    if broken():
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
'''
LATER = '''
"""A task of a newer release."""

from warren import task

@task(pool="cpu")
def newcomer() -> str:
    return "known by now"
'''
MANY = 1200


class House:
    """A producer, and consumers whose tasks fail for as long as `broken` exists."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self.workspace = workspace
        self.crew = Crew(workspace, folder)
        self.producer = Producer(workspace, folder / "producer.log")
        self.broken = folder / "broken"
        self.broken.touch()
        self.install("troubled", TROUBLED)

    def install(self, name: str, code: str) -> None:
        """Put a package of tasks where consumers that start from now on find it."""
        (self.crew.folder / f"{name}_tasks.py").write_text(code)
        described = self.crew.folder / f"{name}_tasks-1.0.dist-info"
        described.mkdir()
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-tasks\nVersion: 1.0\n")
        (described / "entry_points.txt").write_text(f"[warren.tasks]\n{name} = {name}_tasks\n")

    def consume(self, pool: str = "cpu", **settings: str) -> subprocess.Popen[bytes]:
        """Start a consumer."""
        return self.crew.start(pool, BROKEN=str(self.broken), **settings)

    def warren(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run `warren dead-letters`."""
        program = Path(sys.executable).with_name("warren")
        command = [str(program), "dead-letters", *args, "--url", self.producer.url]
        return subprocess.run(command, capture_output=True, check=False, text=True)


@pytest.fixture
def house(workspace: Workspace, tmp_path: Path) -> Iterator[House]:
    """A producer that is ready, and no consumer yet."""
    apply_topology(workspace)
    house = House(workspace, tmp_path)
    house.producer.start()
    yield house
    house.crew.kill_all()
    assert house.producer.process is not None
    house.producer.process.kill()
    house.producer.process.wait()
    print(house.producer.log.read_text())  # noqa: T201 - pytest shows it when the test failed


@pytest.fixture(params=["http", "direct"])
async def client(
    request: pytest.FixtureRequest, house: House, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncClient]:
    """A client that reaches Warren either way."""
    if request.param == "http":
        async with AsyncClient(house.producer.url) as connected:
            yield connected
        return
    for name, value in house.workspace.objects_environment.items():
        monkeypatch.setenv(name, value)
    broker = house.workspace.broker_url("warren-producer")
    async with AsyncClient(broker, records=house.workspace.records_url, bucket=house.workspace.bucket) as connected:
        yield connected


async def ended(client: AsyncClient, task_id: str, seconds: float = 90) -> TaskDocument:
    """Return how a task ended."""
    document = await client.job(task_id).wait(seconds)
    assert document.status.terminal, document
    return document


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for something that processes are about to do."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.1)


async def keep_alive(house: House) -> None:
    """Start a consumer again whenever it has died, as Kubernetes does, until cancelled."""
    while True:
        process = house.consume(WARREN_CONCURRENCY="1")
        await until(lambda process=process: process.poll() is not None, 600)  # type: ignore[misc]


async def test_every_way_to_fail_is_a_dead_letter_that_can_be_replayed(client: AsyncClient, house: House) -> None:
    house.consume("system")
    broker = AmqpBroker(house.workspace.broker_url())
    malformed = new_task_id()
    await broker.publish(Message(b"{}", message_id=malformed), exchange=TASKS, routing_key="cpu")
    await broker.close()
    alive = asyncio.create_task(keep_alive(house))
    jobs = {
        "exception": await client.submit("fragile", number=7),
        "poison": await client.submit("deadly"),
        "unroutable": await client.submit("newcomer"),
    }
    for code, job in jobs.items():
        document = await ended(client, job.id)
        assert document.error is not None
        assert (document.status, document.error.code) == (State.FAILED, code)
    letters = client.dead_letters()
    codes = {letter.id: letter.error.code async for letter in letters if letter.error}
    assert codes == {job.id: code for code, job in jobs.items()} | {malformed: "invalid-message"}
    assert [letter.id async for letter in client.dead_letters(code="poison", task="deadly")] == [jobs["poison"].id]

    whole = await letters.get(jobs["exception"].id)
    assert (whole.payload, whole.attempt) == ({"number": 7}, 1)
    assert whole.error is not None
    assert "ValueError: boom 7" in (whole.error.traceback or "")
    assert (await letters.get(jobs["poison"].id)).lapses == 3
    with pytest.raises(ReplayRefusedError, match="was no task"):
        await letters.replay(malformed)

    again = await letters.replay(jobs["exception"].id)
    document = await ended(client, again.id)
    assert (document.status, document.replay_of) == (State.FAILED, jobs["exception"].id)
    house.broken.unlink()
    house.install("later", LATER)
    house.crew.kill_all()  # and another, which knows the newcomer, is started
    results = await letters.replay_many([again.id, jobs["poison"].id, jobs["unroutable"].id])
    new = [await ended(client, result.task_id) for result in results if result.task_id]
    assert [(document.status, document.result) for document in new] == [
        (State.SUCCEEDED, 7),
        (State.SUCCEEDED, "alive"),
        (State.SUCCEEDED, "known by now"),
    ]
    assert [letter.id async for letter in letters] == [malformed]
    assert (await letters.discard(malformed)).id == malformed
    assert [letter async for letter in letters] == []
    alive.cancel()


async def test_a_loop_of_replays_is_stopped(client: AsyncClient, house: House) -> None:
    house.consume()
    job = await client.submit("fragile")
    await ended(client, job.id)
    for replays in range(1, 6):
        job = await client.dead_letters().replay(job.id)
        await ended(client, job.id)
        assert (await client.dead_letters().get(job.id)).replays == replays
    with pytest.raises(ReplayLimitError):
        await client.dead_letters().replay(job.id)
    house.broken.unlink()
    job = await client.dead_letters().replay(job.id, force=True)
    assert (await ended(client, job.id)).status is State.SUCCEEDED


async def test_a_payload_in_object_storage_is_replayed(client: AsyncClient, house: House) -> None:
    house.consume()
    job = await client.submit("fragile", text="x" * 3_000_000)
    assert (await ended(client, job.id)).status is State.FAILED
    shown = await client.dead_letters().get(job.id)
    assert (shown.payload_ref is not None, shown.payload) == (True, None)
    house.broken.unlink()
    again = await client.dead_letters().replay(job.id)
    assert (await ended(client, again.id)).result == 3_000_000


async def test_replayed_by_many_at_once_it_is_one_new_task(client: AsyncClient, house: House) -> None:
    house.consume()
    job = await client.submit("fragile")
    await ended(client, job.id)
    house.broken.unlink()
    async with AsyncClient(house.producer.url) as other:
        replays = [who.dead_letters().replay(job.id) for who in (client, other) for _ in range(10)]
        assert len({again.id for again in await asyncio.gather(*replays)}) == 1


async def test_all_of_many_are_met_once_while_others_fail(client: AsyncClient, house: House) -> None:
    consumer = house.consume()
    jobs = [client.submit("fragile", number=number) for number in range(MANY)]
    ids = {job.id for start in range(0, MANY, 100) for job in await asyncio.gather(*jobs[start : start + 100])}
    await _settled(client, ids)
    met = []
    async for letter in client.dead_letters(task="fragile"):
        met.append(letter.id)
        if len(met) % 100 == 0:  # a page is through
            await ended(client, (await client.submit("fragile", number=-1)).id)
    assert len(met) == len(set(met)) == MANY
    assert set(met) == ids
    house.broken.unlink()
    start = time.monotonic()
    results = await client.dead_letters().replay_many(sorted(ids))
    print(f"replayed {len(results)} in {time.monotonic() - start:.1f} s")  # noqa: T201 - figures for whoever looks
    assert {result.id for result in results} == ids
    left = [letter.id async for letter in client.dead_letters()]
    assert len(left) == MANY // 100
    assert not set(left) & ids
    assert len(await client.dead_letters(task="fragile").discard_many()) == MANY // 100
    assert consumer.poll() is None


async def test_replays_that_fail_at_once_do_not_feed_the_call(house: House) -> None:
    house.consume()
    async with AsyncClient(house.producer.url) as client:
        ids = {(await client.submit("fragile", number=number)).id for number in range(60)}
        await _settled(client, ids)
        async with httpx2.AsyncClient(base_url=house.producer.url, timeout=60) as http:
            answer = await http.post("/v1/dead-letters/replay", json={"filter": {"task": "fragile"}, "limit": 1000})
        results = answer.json()["results"]
        assert {result["id"]: result["fate"] for result in results} == dict.fromkeys(ids, "replayed")
        await _settled(client, {result["task_id"] for result in results})
        assert len([letter async for letter in client.dead_letters()]) == 60


async def _settled(client: AsyncClient, ids: set[str]) -> None:
    for task_id in ids:
        await ended(client, task_id)


def test_the_command_line(house: House) -> None:
    house.consume()
    program = str(Path(sys.executable).with_name("warren"))
    submit = [program, "submit", "fragile", "number=3", "--wait", "--url", house.producer.url]
    for _ in range(3):
        failed = subprocess.run(submit, capture_output=True, check=False, text=True)
        assert (failed.returncode, "boom 3" in failed.stderr) == (1, True), failed.stderr
    listed = orjson.loads(house.warren("list", "--task", "fragile", "-o", "json").stdout)
    assert len(listed) == 3
    assert listed[0]["id"] in house.warren("list").stdout
    assert "ValueError: boom 3" in house.warren("show", listed[0]["id"]).stdout
    house.broken.unlink()
    replayed = house.warren("replay", listed[0]["id"])
    assert replayed.returncode == 0
    new_id = replayed.stdout.split()[-1]
    waited = subprocess.run([program, "wait", new_id, "--url", house.producer.url], capture_output=True, check=True)
    assert waited.stdout == b"3\n"
    assert (
        house.warren("replay", "--all", "--task", "fragile", "--limit", "1", "--yes").stdout.count("replayed as") == 1
    )
    assert house.warren("discard", "--all").returncode == 2
    assert house.warren("discard", "--all", "--yes").stdout.count("discarded") == 1
    assert house.warren("show", "nope").returncode == 3
