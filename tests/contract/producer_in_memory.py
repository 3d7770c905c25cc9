"""The real API over the adapters in memory: `python -m tests.contract.producer_in_memory [KEYS]` says where it listens.

With a folder of API keys it asks for one.

Consumers that stand in for real ones end every task at once: predictions as the model's answer, of the others every
second one as failed, so that there are dead letters.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tests.unit.producer.conftest import House
from warren.broker.memory import MemoryBroker
from warren.keyring import Keyring
from warren.message import decode_task, encode_reply
from warren.model import PREDICT_TASK
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS
from warren.prediction import PredictResponse
from warren.record import Outcome, State, TaskError
from warren.records.memory import MemoryRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import JSON, Task
from warren.topology import topology
from warren_producer.app import create_app
from warren_producer.settings import ProducerSettings

SETTINGS = ProducerSettings(
    broker_url="amqp://unused", records_url="redis://unused", predict_seconds=2, max_wait_seconds=0.5
)
PREDICTION = PredictResponse(model="iris", version="1", predictions=[])


def house() -> House:
    """Return the ports, with nothing behind them yet."""
    objects = MemoryObjects(SETTINGS.storage_bucket)
    repository = Repository(objects, SETTINGS.storage_bucket)
    return House(MemoryBroker(topology(DEFAULT_POOLS)), MemoryRecords(), objects, repository, SETTINGS)


def application(house: House, keyring: Keyring | None = None) -> FastAPI:
    """Return the API over the ports."""
    submitter = Submitter(house.broker, house.records, Payloads(house.objects, SETTINGS.storage_bucket))
    ports = (submitter, house.records, house.broker, house.repository, house.objects)
    return create_app(*ports, SETTINGS, (), keyring)


async def serve(listener: socket.socket, keyring: Keyring | None) -> None:
    """Serve until killed."""
    ports = house()
    with tempfile.TemporaryDirectory() as folder:
        for version in ("1", "2"):
            await ports.publish_model(Path(folder), version=version)
    server = uvicorn.Server(uvicorn.Config(application(ports, keyring), log_level="warning"))
    await asyncio.gather(server.serve([listener]), *(_consume(ports, pool.name) for pool in DEFAULT_POOLS))


async def _consume(house: House, pool: str) -> None:
    async with house.broker.subscribe(f"warren.tasks.{pool}", prefetch=10) as deliveries:
        fails = itertools.cycle((True, False))
        async for delivery in deliveries:
            task = decode_task(delivery.message, pool)
            claim = await house.records.claim(task, "stand-in", alone=True)
            if claim.lease is not None:
                await house.records.finish(claim.lease, task, _outcome(task, fails=next(fails)))
                [record] = await house.records.read([task.id])
                if record is not None and task.reply_to:
                    reply = encode_reply(record)
                    await house.broker.publish(reply, exchange="", routing_key=task.reply_to, mandatory=False)
            await delivery.ack()


def _outcome(task: Task, *, fails: bool) -> Outcome:
    if task.name == PREDICT_TASK:
        return Outcome(State.SUCCEEDED, result=PREDICTION.model_dump_json().encode(), result_type=JSON)
    if fails:
        error = TaskError(code="exception", message="it fails every second time", traceback="in line 1")
        return Outcome.failed(error, task.payload)
    return Outcome(State.SUCCEEDED, result=task.payload.body, result_type=task.payload.content_type)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # asyncio sets it on what it binds itself. Without it the body of each answer is 40 ms behind its head.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)  # noqa: T201 - its caller reads it
        asyncio.run(serve(listening, Keyring(Path(sys.argv[1])) if sys.argv[1:] else None))
