"""Payloads and results of any size, from one end to the other."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import httpx2
import pytest

from tests.integration.consumer.crew import Crew
from tests.integration.producer.conftest import Producer
from tests.integration.servers import Workspace, s3_client
from warren import AsyncClient
from warren.errors import PayloadCorruptError, PayloadMissingError, ResultGoneError
from warren.message import Message
from warren.record import Outcome, State
from warren.tasks import Task

MEGA = 1_000_000
TEXT = "hello " * (20 * MEGA // 6)


@pytest.fixture(name="crew")
def _crew(workspace: Workspace, tmp_path: Path) -> Iterator[Crew]:
    """Consumers of this test, ended with it."""
    folder = tmp_path / "crew"
    folder.mkdir()
    crew = Crew(workspace, folder)
    yield crew
    crew.kill_all()


@pytest.fixture(autouse=True)
def _objects_environment(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The direct client reads the AWS SDK's variables."""
    for name, value in workspace.objects_environment.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def client_by(way: str, producer: Producer, workspace: Workspace) -> AsyncIterator[AsyncClient]:
    """Connect over HTTP or straight to the broker."""
    direct = AsyncClient(
        workspace.broker_url("warren-producer"), records=workspace.records_url, bucket=workspace.bucket
    )
    async with AsyncClient(producer.url) if way == "http" else direct as client:
        yield client


async def first_message(workspace: Workspace) -> Message:
    """Return the message at the queue's head, and leave it there."""
    async with await aio_pika.connect(workspace.broker_url()) as connection:
        queue = await (await connection.channel()).get_queue("warren.tasks.cpu", ensure=False)
        found = await queue.get(timeout=10, fail=True)
        await found.nack(requeue=True)
        return Message(found.body, found.content_type or "", found.message_id, headers=dict(found.headers))


def key_of(reference: object) -> str:
    """Return the key of an object's URI."""
    return str(reference).split("/", 3)[3]


def objects(workspace: Workspace) -> Any:
    return s3_client(workspace.servers)


@pytest.mark.parametrize("way", ["http", "direct"])
async def test_a_payload_and_a_result_of_20_mb_go_there_and_back(
    producer: Producer, workspace: Workspace, crew: Crew, way: str
) -> None:
    async with client_by(way, producer, workspace) as client:
        job = await client.submit("echo", text=TEXT)
        message = await first_message(workspace)
        assert message.body == b""
        assert message.headers["warren-payload-ref"] == f"s3://{workspace.bucket}/payloads/{job.id}"
        assert len(message.headers["warren-payload-sha256"]) == 64
        crew.start()
        assert await job.get(timeout=60) == TEXT
        assert (await job.record()).result_url == f"/v1/tasks/{job.id}/result"


@pytest.mark.parametrize(
    ("what", "error"), [("deleted", PayloadMissingError), ("changed", PayloadCorruptError)], ids=["deleted", "changed"]
)
async def test_a_payload_that_is_not_what_was_submitted_is_told(
    producer: Producer, workspace: Workspace, crew: Crew, what: str, error: type[Exception]
) -> None:
    async with client_by("http", producer, workspace) as client:
        job = await client.submit("echo", text=TEXT)
        key = key_of((await first_message(workspace)).headers["warren-payload-ref"])
        if what == "deleted":
            objects(workspace).delete_object(Bucket=workspace.bucket, Key=key)
        else:
            objects(workspace).put_object(Bucket=workspace.bucket, Key=key, Body=b'{"text": "other"}')
        crew.start()
        with pytest.raises(error, match=key):
            await job.get(timeout=60)


async def ended_with(workspace: Workspace, body: bytes) -> str:
    """Let a task have ended with a large result; return its id."""
    records, task = workspace.records(), Task("echo", "cpu")
    uri = f"s3://{workspace.bucket}/results/{task.id}/1"
    objects(workspace).put_object(Bucket=workspace.bucket, Key=key_of(uri), Body=body)
    await records.create(task)
    claim = await records.claim(task, "test", alone=True)
    assert claim.lease is not None
    await records.finish(claim.lease, task, Outcome(State.SUCCEEDED, result_type="image/png", result_ref=uri))
    await records.close()
    return task.id


def memory_mb(process: int, what: str) -> float:
    """Return a process' memory (`VmRSS`), or the most that it ever was (`VmHWM`)."""
    line = next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1000


async def test_large_results_are_streamed_and_never_held(producer: Producer, workspace: Workspace) -> None:
    body = os.urandom(40 * MEGA)
    task_id = await ended_with(workspace, body)
    assert producer.process is not None
    async with httpx2.AsyncClient(base_url=producer.url, timeout=60) as http:
        before = memory_mb(producer.process.pid, "VmRSS")
        answers = await asyncio.gather(*(http.get(f"/v1/tasks/{task_id}/result") for _ in range(5)))
    assert all(answer.content == body for answer in answers)
    assert answers[0].headers["Content-Type"] == "image/png"
    grown = memory_mb(producer.process.pid, "VmHWM") - before
    assert grown < 80, f"5 results of 40 MB took {grown:.0f} MB of memory"


async def test_a_large_result_that_was_deleted_is_gone(producer: Producer, workspace: Workspace) -> None:
    task_id = await ended_with(workspace, b"x")
    objects(workspace).delete_object(Bucket=workspace.bucket, Key=f"results/{task_id}/1")
    async with client_by("http", producer, workspace) as client:
        with pytest.raises(ResultGoneError):
            await client.job(task_id).get()
