"""The system pool on real servers: what nobody took, what was lost, what others worked on, and its own deaths."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import aio_pika
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from tests.integration.consumer.conftest import Client, apply_topology, until
from tests.integration.consumer.crew import Crew, ask, dependencies
from tests.integration.servers import Workspace, control, free_port, tied
from tools.stack import web
from warren.broker.amqp import AmqpBroker
from warren.clock import ManualClock
from warren.message import Message, encode_task
from warren.objects import ObjectUri
from warren.objects.s3 import S3Objects
from warren.pool import DEFAULT_POOLS, Pool
from warren.record import Record, State
from warren.records.redis import OPEN
from warren.submission import Submitter
from warren.tasks import Payload, Task, TaskOptions, new_task_id
from warren.topology import FOREIGN_DELIVERY_LIMIT, RESULTS, TASKS, delay_route
from warren_consumer.closing import REASON_HEADER
from warren_consumer.depths.rabbitmq import RabbitDepths
from warren_consumer.events import Events
from warren_consumer.replies import Replies
from warren_consumer.system.dead_letters import MOST_ROUNDS
from warren_consumer.system.endings import Endings
from warren_consumer.system.leftovers import Leftovers
from warren_consumer.system.metrics import SystemMetrics
from warren_consumer.system.orphans import Orphans
from warren_consumer.system.sweeping import Sweeping

CPU = DEFAULT_POOLS[0]
FOREIGN = "carver"
TTL = 3600.0
FIGURES_SECONDS = 30
"""RabbitMQ refreshes its figures every 5 s."""

START_SECONDS = 60
"""Of a process on a machine with other things to do."""

BACK_SECONDS = 20
"""Of a connection that an administrator closed."""


class Listener:
    """Keeps every reply by its task, so that a second one that says something else is seen."""

    def __init__(self, broker: AmqpBroker) -> None:
        self._broker = broker
        self.queue: str | None = None
        self.said: defaultdict[str, set[tuple[str, bytes]]] = defaultdict(set)

    async def listen(self) -> None:
        """Collect replies until cancelled."""
        async with self._broker.replies() as (self.queue, subscription):
            async for delivery in subscription:
                message = delivery.message
                self.said[str(message.message_id)].add((str(message.headers["warren-state"]), message.body))

    def state(self, task: Task) -> str:
        """Return what the task's one reply says."""
        ((state, _),) = self.said[task.id]
        return state


@pytest.fixture
async def listener(client: Client) -> AsyncIterator[Listener]:
    """Give a listener that listens."""
    listener = Listener(client.broker)
    listening = asyncio.create_task(listener.listen())
    await until(lambda: listener.queue is not None)
    yield listener
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.fixture
def foreign_url(workspace: Workspace) -> Iterator[str]:
    """Give the address of the broker for an account that may do what docs/protocol.md says, and no more."""
    management = workspace.management_url()
    user, rights = f"{management}api/users/{FOREIGN}", f"{management}api/permissions/{workspace.name}/{FOREIGN}"
    web.call("PUT", user, {"password": "chisel", "tags": ""})
    web.call("PUT", rights, {"configure": "^$", "write": r"^warren\.results$", "read": r"^warren\.tasks\.cpu$"})
    address = workspace.broker_url().rpartition("@")[2]
    yield f"amqp://{FOREIGN}:chisel@{address}"
    web.call("DELETE", user)


@contextlib.contextmanager
def foreign_worker(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker that is not Warren's."""
    program = Path(__file__).with_name("foreign_worker.py")
    with (folder / "foreign.log").open("ab") as log:
        command = tied(sys.executable, program, url, "cpu", folder / "rows")
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def submitter(client: Client) -> Submitter:
    return client._submitter  # noqa: SLF001 - the client submits numbered tasks only


async def submit(client: Client, listener: Listener, name: str, body: bytes = b"{}", **options: float) -> Task:
    task = Task(name, "cpu", Payload(body), TaskOptions.model_validate(options), reply_to=listener.queue)
    await submitter(client).submit(task)
    return task


async def ready(crew: Crew) -> int:
    """Start the system pool; return the port of its probes when it is ready."""
    port = free_port()
    crew.start("system", WARREN_METRICS_PORT=str(port))
    await until(lambda: ask(port, "/readyz")[0] == 200, START_SECONDS)
    return port


async def record_of(client: Client, task: Task) -> Record:
    (record,) = await client.read([task])
    return record


async def told(listener: Listener, *tasks: Task, within: float = START_SECONDS) -> None:
    await until(lambda: all(task.id in listener.said for task in tasks), within)


async def depth_becomes(depths: RabbitDepths, queue: str, wanted: int) -> None:
    async with asyncio.timeout(FIGURES_SECONDS):
        while (await depths.read()).get(queue) != wanted:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.2)


@pytest.fixture
def objects(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> S3Objects:
    for name, value in workspace.objects_environment.items():
        monkeypatch.setenv(name, value)
    return S3Objects()


@pytest.fixture
async def depths(workspace: Workspace) -> AsyncIterator[RabbitDepths]:
    depths = RabbitDepths([workspace.servers.broker_metrics_url], workspace.broker_url())
    yield depths
    await depths.close()


async def test_depths_are_what_queues_hold_waiting_or_handed_out(client: Client, depths: RabbitDepths) -> None:
    await depth_becomes(depths, CPU.queue, 0)
    for _ in range(2):
        await submitter(client).submit(Task("waits", "cpu"))
    await depth_becomes(depths, CPU.queue, 2)
    async with client.broker.subscribe(CPU.queue, prefetch=1) as subscription:
        async for delivery in subscription:
            await depth_becomes(depths, CPU.queue, 2)
            await delivery.ack()
            break
    await depth_becomes(depths, CPU.queue, 1)
    known = await depths.read()
    assert {pool.dead_letter_queue for pool in DEFAULT_POOLS} < known.keys()
    assert "warren.tasks.unknown" not in known


async def test_a_delayed_task_of_a_pool_that_is_not_there_fails_as_unroutable(
    client: Client, listener: Listener, crew: Crew
) -> None:
    await ready(crew)
    task = Task("echo", "cpuu", Payload(b'{"n": 1}'), reply_to=listener.queue)
    exchange, key = delay_route(1, task.pool)
    await client.broker.publish(encode_task(task), exchange=exchange, routing_key=key)
    await told(listener, task)
    record = await record_of(client, task)
    assert (record.state, record.pool, record.payload) == (State.FAILED, "cpuu", b'{"n": 1}')
    assert record.error is not None
    assert record.error.code == "unroutable"


async def test_a_task_whose_queue_was_purged_is_lost(
    client: Client, listener: Listener, workspace: Workspace, depths: RabbitDepths
) -> None:
    task = await submit(client, listener, "waits")
    await depth_becomes(depths, CPU.queue, 1)
    events, metrics = Events(client.broker), SystemMetrics(CollectorRegistry())
    endings = Endings(client.records, Replies(client.broker, client.records), events, result_ttl_seconds=TTL)
    orphans = Orphans(client.records, client.broker, depths, DEFAULT_POOLS, empty_seconds=3)
    sweeping = Sweeping(client.records, orphans, endings, metrics, stale_seconds=1)

    async def look_on(seconds: float) -> None:
        async with Redis.from_url(workspace.records_url) as store:
            until_then = time.monotonic() + seconds
            while time.monotonic() < until_then and task.id not in listener.said:
                await orphans.look()
                await store.zadd(OPEN, {task.id: 0})  # otherwise it is looked at after 5 minutes first
                await sweeping.once()
                await asyncio.sleep(0.5)

    await look_on(6)
    assert (await record_of(client, task)).state is State.QUEUED
    purged = web.call("DELETE", f"{workspace.management_url()}api/queues/{workspace.name}/{CPU.queue}/contents")
    assert purged.status == 204
    await look_on(FIGURES_SECONDS)
    record = await record_of(client, task)
    assert record.error is not None
    assert (record.state, record.error.code, listener.state(task)) == (State.FAILED, "lost", "failed")


async def test_what_nobody_took_in_time_expires_and_is_told(crew: Crew, client: Client, listener: Listener) -> None:
    port = await ready(crew)
    task = await submit(client, listener, "waits", expires_seconds=2)
    began = time.monotonic()
    await told(listener, task)
    assert 1.5 < time.monotonic() - began < 10
    assert (listener.state(task), (await record_of(client, task)).state) == ("expired", State.EXPIRED)
    assert 'warren_system_records_total{fate="expired"} 1.0' in ask(port, "/metrics")[1]
    assert "lost tasks are not looked for" in crew.log(crew.processes[0])


async def test_a_dead_letter_queue_that_was_made_anew_is_read_again(
    crew: Crew, client: Client, listener: Listener, workspace: Workspace
) -> None:
    port = await ready(crew)
    path = f"{workspace.management_url()}api/queues/{workspace.name}/{CPU.dead_letter_queue}"
    assert web.call("DELETE", path).status == 204
    await until(lambda: dependencies(port)["consuming"] != "ok")
    await apply_topology(workspace)
    await until(lambda: ask(port, "/readyz")[0] == 200, START_SECONDS)
    task = Task("waits", "cpu", reply_to=listener.queue)
    await bury(client, task)
    await told(listener, task)


async def test_a_queue_that_is_gone_when_the_connection_comes_back_holds_up_no_other(
    crew: Crew, client: Client, workspace: Workspace
) -> None:
    port = await ready(crew)
    gone = DEFAULT_POOLS[1].dead_letter_queue
    assert web.call("DELETE", f"{workspace.management_url()}api/queues/{workspace.name}/{gone}").status == 204
    await asyncio.to_thread(control, workspace.servers, "close_all_user_connections", "warren-system", "for a test")
    await until(lambda: dependencies(port)["consuming"] != "ok")
    others = (CPU.dead_letter_queue, RESULTS)
    async with asyncio.timeout(BACK_SECONDS):
        while [(await client.broker.depth(queue)).consumers for queue in others] != [1, 1]:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.2)
    seen = set()
    for _ in range(20):
        seen |= {(await client.broker.depth(queue)).consumers for queue in others}
        await asyncio.sleep(0.2)
    assert seen == {1}
    await apply_topology(workspace)
    await until(lambda: ask(port, "/readyz")[0] == 200, START_SECONDS)


async def test_what_ran_out_of_its_time_at_the_broker_ends_as_expired(
    crew: Crew, client: Client, listener: Listener, workspace: Workspace
) -> None:
    task = Task("waits", "cpu", reply_to=listener.queue)
    connection = await aio_pika.connect(workspace.broker_url())
    async with connection, connection.channel() as channel:
        sent = encode_task(task)
        message = aio_pika.Message(
            sent.body, message_id=sent.message_id, type=sent.type, reply_to=sent.reply_to, expiration=0.5
        )
        await (await channel.get_exchange(TASKS)).publish(message, "cpu")
    crew.start("system")
    await told(listener, task)
    record = await record_of(client, task)
    assert record.error is not None
    assert (listener.state(task), record.state, record.error.code) == ("expired", State.EXPIRED, "expired")


async def test_a_worker_in_another_language_serves_a_pool(
    crew: Crew, client: Client, listener: Listener, foreign_url: str, tmp_path: Path, objects: S3Objects
) -> None:
    crew.start("system")
    tasks = [await submit(client, listener, "reversed", f"task {number}".encode()) for number in range(50)]
    large, fails, refused = [await submit(client, listener, name) for name in ("large", "fails", "refused")]
    stranger = Task("reversed", "cpu", Payload(b"abc"), reply_to=listener.queue)
    await client.broker.publish(encode_task(stranger), exchange=TASKS, routing_key="cpu")
    with foreign_worker(foreign_url, tmp_path):
        await told(listener, *tasks, large, fails, refused, stranger)
    assert {(await record_of(client, task)).state for task in tasks} == {State.SUCCEEDED}
    assert [listener.said[task.id] for task in tasks] == [{("succeeded", task.payload.body[::-1])} for task in tasks]
    assert listener.said[stranger.id] == {("succeeded", b"cba")}
    reference = (await record_of(client, large)).result_ref
    assert reference is not None
    assert len(await objects.get(ObjectUri.parse(reference))) == 2 * 1024 * 1024
    errors = [(await record_of(client, task)).error for task in (fails, refused)]
    assert [error and error.code for error in errors] == ["no-face", "rejected"]
    assert len((tmp_path / "rows").read_text().splitlines()) == 54


async def test_a_task_that_kills_foreign_workers_ends_and_they_go_on(
    crew: Crew, client: Client, listener: Listener, workspace: Workspace, foreign_url: str
) -> None:
    await apply_topology(workspace, Pool(name="cpu", foreign=True))
    crew.start("system")
    poison = await submit(client, listener, "kills")
    deaths = await deaths_of(foreign_url, lambda: poison.id in listener.said)
    record = await record_of(client, poison)
    assert record.error is not None
    assert (listener.state(poison), record.error.code) == ("failed", "poison")
    assert deaths <= MOST_ROUNDS * (FOREIGN_DELIVERY_LIMIT + 1)


async def deaths_of(url: str, over: Callable[[], bool]) -> int:
    """Take the message of the pool cpu and die of it, again and again; return how often it was."""
    deaths = 0
    async with asyncio.timeout(60):
        while not over():
            async with await aio_pika.connect(url) as connection:
                queue = await (await connection.channel()).get_queue("warren.tasks.cpu", ensure=False)
                deaths += await queue.get(fail=False) is not None
    return deaths


async def test_leftovers_in_the_bucket_are_deleted_and_nothing_else(
    client: Client, workspace: Workspace, objects: S3Objects
) -> None:
    task = Task("waits", "cpu")
    await submitter(client).submit(task)
    needed = [f"payloads/{task.id}", f"results/{task.id}/1", "results/2025/table.csv"]
    over = [f"results/{new_task_id()}/1", f"checkpoints/{new_task_id()}/1/model"]
    for key in (*needed, *over):
        await objects.put(ObjectUri(workspace.bucket, key), b"x")
    metrics = SystemMetrics(CollectorRegistry())
    for seconds, left in ((60, {*needed, *over}), (2 * 3600, set(needed))):
        clock = ManualClock(time.time() + seconds)
        await Leftovers(objects, workspace.bucket, client.records, metrics, clock).once()
        assert {uri.key for uri in await objects.list(ObjectUri(workspace.bucket, ""))} == left


async def report(client: Client, number: int, task: Task) -> None:
    result = Message(str(number).encode(), message_id=task.id, type=task.name, headers={"warren-pool": "cpu"})
    await client.broker.publish(result, exchange=RESULTS, routing_key=RESULTS)


async def bury(client: Client, task: Task) -> None:
    letter = replace(encode_task(task), headers={REASON_HEADER: "the header x is not valid"})
    await client.broker.publish(letter, exchange="", routing_key=CPU.dead_letter_queue)


async def test_killed_at_any_moment_it_loses_nothing(crew: Crew, client: Client, listener: Listener) -> None:
    canceled = [await submit(client, listener, "waits") for _ in range(100)]
    reported = [await submit(client, listener, "waits") for _ in range(300)]
    refused = [Task("waits", "cpu", reply_to=listener.queue) for _ in range(300)]
    everyone = [*canceled, *reported, *refused]
    await asyncio.gather(*(client.records.cancel(task.id) for task in canceled))
    await asyncio.gather(*(report(client, number, task) for number, task in enumerate(reported)))
    await asyncio.gather(*(bury(client, task) for task in refused))
    for _ in range(4):
        before = len(listener.said)
        killed = crew.start("system")
        await until(lambda before=before: len(listener.said) > before, 60)  # type: ignore[misc]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    at_work = len(everyone) - len(listener.said)
    crew.start("system")
    await told(listener, *everyone, within=60)
    assert at_work > 0, "it was never killed with work in progress"
    records = {record.id: record for record in await client.read(everyone)}
    for tasks, state in ((canceled, State.CANCELED), (reported, State.SUCCEEDED), (refused, State.FAILED)):
        assert {records[task.id].state for task in tasks} == {state}
        assert {listener.state(task) for task in tasks} == {state.value}
    assert [records[task.id].result for task in reported] == [str(number).encode() for number in range(300)]
