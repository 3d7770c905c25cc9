"""Large payloads: fetched before the handler runs, within the attempt, and kept by reference when the task fails."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.consumer.stage import BUCKET, POOL, Stage, nothing_happens, until
from warren.message import Message
from warren.objects import ObjectUri
from warren.record import State
from warren.tasks import Payload, Task, new_task_id
from warren.topology import TASKS
from warren_consumer.handler import Context, TaskFault

LARGE = b'"' + b"x" * 2_000_000 + b'"'
SHA256 = hashlib.sha256(LARGE).hexdigest()


def where(task: Task) -> ObjectUri:
    """Return where the task's payload lies."""
    return ObjectUri(BUCKET, f"payloads/{task.id}")


def knows_size(stage: Stage) -> None:
    """Teach the workers a task that returns the size of its payload."""

    async def size(context: Context) -> Payload:
        return Payload(str(len(context.task.payload.body)).encode())

    stage.knows("work", size)


async def ended(stage: Stage, task: Task) -> None:
    """Wait until the task has ended."""
    async with stage.working():
        await until(lambda: bool(stage.replies))
    assert stage.empty
    assert (await stage.record(task)).state.terminal


async def test_a_handler_is_given_the_whole_payload(stage: Stage) -> None:
    knows_size(stage)
    task = await stage.submit(body=LARGE)
    [(message, _)] = stage.queue.ready
    assert message.body == b""
    await ended(stage, task)
    assert (await stage.record(task)).result == str(len(LARGE)).encode()


async def test_a_payload_that_is_gone_ends_the_task_for_good(stage: Stage) -> None:
    knows_size(stage)
    task = await stage.submit(body=LARGE, max_attempts=5)
    await stage.objects.delete(where(task))
    await ended(stage, task)
    record = await stage.record(task)
    assert record.error is not None
    assert (record.state, record.error.code, record.failures) == (State.FAILED, "payload-missing", 0)


async def test_other_bytes_than_were_submitted_never_reach_the_handler(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit(body=LARGE, max_attempts=5)
    await stage.objects.put(where(task), LARGE[:-1])
    await ended(stage, task)
    record = await stage.record(task)
    assert record.error is not None
    assert (record.error.code, stage.began) == ("payload-corrupt", [])


async def test_a_failed_task_keeps_the_reference_and_the_object(stage: Stage) -> None:
    async def fail(_: Context) -> Payload:
        raise TaskFault("no", "not today")

    stage.knows("work", fail)
    task = await stage.submit(body=LARGE)
    await ended(stage, task)
    record = await stage.record(task)
    assert record.payload in {None, b""}
    assert (record.payload_ref, record.payload_sha256) == (str(where(task)), SHA256)
    assert await stage.objects.get(where(task)) == LARGE


@pytest.mark.parametrize("key", ["models/iris/1/model.json", "results/x/1"])
async def test_a_foreign_message_cannot_read_what_is_no_payload(stage: Stage, key: str) -> None:
    stage.knows_work()
    await stage.objects.put(ObjectUri(BUCKET, key), LARGE)
    headers = {"warren-payload-ref": f"s3://{BUCKET}/{key}", "warren-payload-sha256": SHA256}
    message = Message(b"", message_id=new_task_id(), type="work", headers=headers, reply_to="warren.reply.test")
    await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: bool(stage.replies))
    [record] = await stage.records.read([message.message_id or ""])
    assert record is not None
    assert record.error is not None
    assert (record.error.code, stage.began) == ("payload-forbidden", [])


@pytest.mark.usefixtures("hurry")
async def test_a_storage_that_is_away_for_a_moment_costs_no_attempt(stage: Stage) -> None:
    knows_size(stage)
    task = await stage.submit(body=LARGE)
    stage.objects.available = False
    async with stage.working():
        await nothing_happens(0.1)
        assert (await stage.record(task)).state is State.STARTED
        stage.objects.available = True
        await until(lambda: bool(stage.replies))
    assert (await stage.record(task)).failures == 0


async def test_a_storage_that_stays_away_is_tried_again_later(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_consumer.fetching.PATIENCE_SECONDS", 0.0)
    knows_size(stage)
    task = await stage.submit(body=LARGE, max_attempts=2)
    stage.objects.available = False
    async with stage.working():
        await until(lambda: bool(stage.broker.delayed))
        record = await stage.record(task)
        assert record.error is not None
        assert (record.state, record.error.code) == (State.RETRYING, "storage-unavailable")
        stage.objects.available = True
        stage.advance(10)
        await until(lambda: bool(stage.replies))
    assert (await stage.record(task)).state is State.SUCCEEDED


@pytest.mark.usefixtures("hurry")
async def test_fetching_counts_as_the_attempts_time(stage: Stage) -> None:
    knows_size(stage)
    task = await stage.submit(body=LARGE, timeout_seconds=0.2)
    stage.objects.available = False
    await ended(stage, task)
    record = await stage.record(task)
    assert record.error is not None
    assert record.error.code == "timeout"
