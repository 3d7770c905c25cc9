"""A producer as a process of its own, on real servers, with the accounts and rights that it has in a cluster."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.integration.servers import PATIENCE_SECONDS, Workspace, free_port, tied
from warren import Client
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.event import encode_event, event_key
from warren.message import decode_task, encode_reply
from warren.patience import patiently
from warren.pool import DEFAULT_POOLS
from warren.record import Outcome, State
from warren.records.redis import RedisRecords
from warren.tasks import JSON, Task
from warren.topology import EVENTS, topology

START_SECONDS = 20


@dataclass
class Producer:
    """The process, which can be ended and started again."""

    workspace: Workspace
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its environment, besides what it needs."""

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, until: int = 200) -> None:
        """Start it and return when its readiness answers with this status."""
        program = Path(sys.executable).parent / "warren-producer"
        environ = {name: value for name, value in os.environ.items() if not name.startswith("WARREN_")}
        environ |= {
            **self.workspace.objects_environment,
            "WARREN_BROKER_URL": self.workspace.broker_url("warren-producer"),
            "WARREN_RECORDS_URL": self.workspace.records_url,
            "WARREN_STORAGE_BUCKET": self.workspace.bucket,
            "WARREN_PORT": str(self.port),
            **self.settings,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(tied(program), env=environ, stdout=log, stderr=log)
        self._wait(until)

    def stop(self) -> int:
        """Tell it to stop and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def _wait(self, status: int) -> None:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up:
            try:
                if httpx2.get(f"{self.url}/readyz").status_code == status:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"the producer did not become ready:\n{self.log.read_text()}")


@dataclass
class Consumer:
    """The least consumer that there can be: it ends every task of the pool cpu with its own payload as the result."""

    broker: AmqpBroker
    records: RedisRecords
    deliveries: int = 0

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work inside the block."""
        work = asyncio.create_task(self._work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def _work(self) -> None:
        async with self.broker.subscribe("warren.tasks.cpu", prefetch=10) as subscription:
            async for delivery in subscription:
                self.deliveries += 1
                task = decode_task(delivery.message, "cpu")
                await patiently(partial(self._end, task), PATIENCE_SECONDS)
                await delivery.ack()

    async def _end(self, task: Task) -> None:
        claim = await self.records.claim(task, "test", alone=True)
        if claim.lease is not None:
            outcome = Outcome(State.SUCCEEDED, result=task.payload.body, result_type=JSON)
            await self.records.finish(claim.lease, task, outcome)
            await self._tell(task.id)

    async def _tell(self, task_id: str) -> None:
        [record] = await self.records.read([task_id])
        assert record is not None
        event = encode_event(record)
        await self.broker.publish(event, exchange=EVENTS, routing_key=event_key(record), mandatory=False)
        if record.reply_to:
            message = encode_reply(record)
            await self.broker.publish(message, exchange="", routing_key=record.reply_to, mandatory=False)


def apply_topology(workspace: Workspace) -> None:
    """Declare what Warren needs."""
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    asyncio.run(provision(topology(DEFAULT_POOLS), *urls, lambda _: None))


@contextmanager
def producing(workspace: Workspace, log: Path, **settings: str) -> Iterator[Producer]:
    """Run a producer that is ready."""
    apply_topology(workspace)
    producer = Producer(workspace, log, settings=settings)
    try:
        producer.start()
        yield producer
    finally:
        assert producer.process is not None
        producer.process.kill()
        producer.process.wait()
        print(producer.log.read_text())  # noqa: T201 - pytest shows it when the test failed


@pytest.fixture(name="producer")
def _producer(workspace: Workspace, tmp_path: Path) -> Iterator[Producer]:
    """A producer that is ready."""
    with producing(workspace, tmp_path / "producer.log") as producer:
        yield producer


@pytest.fixture
def client(producer: Producer) -> Iterator[Client]:
    """A client of the producer."""
    with Client(producer.url) as connected:
        yield connected


@asynccontextmanager
async def consuming(workspace: Workspace) -> AsyncIterator[Consumer]:
    """Connect a consumer that is not working yet."""
    broker, records = AmqpBroker(workspace.broker_url("warren-consumer")), workspace.records()
    yield Consumer(broker, records)
    await broker.close()
    await records.close()


@pytest.fixture(name="consumer")
async def _consumer(workspace: Workspace) -> AsyncIterator[Consumer]:
    """A consumer that is not working yet."""
    async with consuming(workspace) as consumer:
        yield consumer
