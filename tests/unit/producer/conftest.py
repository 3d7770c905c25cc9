"""A producer over the in-memory adapters, and a stand-in consumer that ends tasks as a real one would."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import httpx2
import pytest
from pydantic import BaseModel, Field

from warren import CurrentTask, task
from warren.broker.memory import MemoryBroker
from warren.keyring import Keyring
from warren.message import decode_task, encode_reply
from warren.model import Manifest
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS
from warren.record import Outcome, State, TaskError
from warren.records.memory import MemoryRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import JSON, Task
from warren.topology import topology
from warren_producer.app import create_app
from warren_producer.settings import ProducerSettings

Work = Callable[[Task], Outcome]


class Tone(BaseModel):
    """A parameter with members of its own."""

    hertz: Annotated[int, Field(ge=20)]


@task(max_attempts=3, timeout_seconds=30, process=True)
def play(tone: Tone, day: date, context: CurrentTask | None = None, times: int = 1) -> dict[str, int]:
    """Play a tone."""
    return {"attempt": context.attempt if context else 0, "times": times, "hertz": tone.hertz, "day": day.day}


@task(pool="lottery")
def lottery() -> None:
    """Goes to a pool that this producer does not know."""


FUNCTIONS = [play.type, lottery.type]
"""What is installed beside the producer."""


def answer(body: bytes, content_type: str = JSON) -> Work:
    """Return work that succeeds with this result."""
    return lambda _: Outcome(State.SUCCEEDED, result=body, result_type=content_type)


def fault(code: str, message: str) -> Work:
    """Return work that fails."""
    return lambda _: Outcome(State.FAILED, error=TaskError(code=code, message=message))


@dataclass
class House:
    """The ports that a producer stands on."""

    broker: MemoryBroker
    records: MemoryRecords
    objects: MemoryObjects
    repository: Repository
    settings: ProducerSettings

    async def consume(self, pool: str, work: Work, *, reply: bool = True) -> Task:
        """Take one task of the pool, do the work, end it and reply; return the task."""
        async with self.broker.subscribe(f"warren.tasks.{pool}", prefetch=1) as subscription:
            delivery = await anext(aiter(subscription))
            task = decode_task(delivery.message, pool)
            claim = await self.records.claim(task, "test", alone=True)
            assert claim.lease is not None
            await self.records.finish(claim.lease, task, work(task))
            [record] = await self.records.read([task.id])
            assert record is not None
            if reply and task.reply_to:
                await self.broker.publish(encode_reply(record), exchange="", routing_key=task.reply_to)
            await delivery.ack()
            return task

    def waiting(self, pool: str) -> int:
        """Return how many messages wait in the pool's queue."""
        return len(self.broker.queues[f"warren.tasks.{pool}"].ready)

    async def publish_model(self, tmp_path: Path, name: str = "iris", pool: str = "cpu", *, version: str = "1") -> None:
        """Put a model with a production version into the repository."""
        file = tmp_path / "model.onnx"
        file.write_bytes(b"onnx")
        manifest = Manifest(
            name=name,
            version=version,
            file="m.onnx",
            sha256="0" * 64,
            size=4,
            framework="test",
            inputs=(),
            outputs=(),
            created_at=datetime.now(UTC),
        )
        await self.repository.publish(manifest, file)
        await self.repository.promote(name, version, reason="test", pool=pool)


@pytest.fixture
def house() -> House:
    """The ports, in memory."""
    objects = MemoryObjects("warren")
    settings = ProducerSettings(
        broker_url="amqp://unused",
        records_url="redis://unused",
        max_body_bytes=10_000,
        max_bodies_bytes=48_000,
        max_waiting=2,
    )
    broker = MemoryBroker(topology(DEFAULT_POOLS))
    return House(broker, MemoryRecords(), objects, Repository(objects, "warren"), settings)


@pytest.fixture
def spacious_house(house: House) -> House:
    """The ports, with the limit on bodies that a producer has unless it is told another."""
    house.settings = house.settings.model_copy(
        update={name: ProducerSettings.model_fields[name].default for name in ("max_body_bytes", "max_bodies_bytes")}
    )
    return house


@asynccontextmanager
async def serving(house: House, keyring: Keyring | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Run a producer that stands on the house; yield an HTTP client of it."""
    submitter = Submitter(house.broker, house.records, Payloads(house.objects, "warren"))
    ports = (submitter, house.records, house.broker, house.repository, house.objects)
    app = create_app(*ports, house.settings, FUNCTIONS, keyring)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    client = httpx2.AsyncClient(transport=transport, base_url="http://api")
    async with app.router.lifespan_context(app), client:
        await asyncio.sleep(0)  # the reply queue is declared in the loop's next turn
        yield client


@pytest.fixture
async def api(house: House) -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client of a producer that stands on the house."""
    async with serving(house) as client:
        yield client
