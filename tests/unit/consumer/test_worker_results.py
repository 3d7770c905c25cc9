"""Results that are large, and go to the storage, or that cannot be told at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.consumer.stage import BUCKET, Stage, nothing_happens, until
from tests.unit.consumer.test_worker_settlements import run_through
from warren.objects import ObjectUri
from warren.record import State
from warren.tasks import MAX_INLINE_BYTES, Payload
from warren_consumer.handler import Context


async def test_a_large_result_goes_to_object_storage(stage: Stage) -> None:
    large = b"x" * (MAX_INLINE_BYTES + 1)

    async def handle(_: Context) -> Payload:
        return Payload(large, "application/octet-stream")

    stage.knows("large", handle)
    task = await stage.submit("large")
    await run_through(stage)
    record = await stage.record(task)
    uri = ObjectUri(BUCKET, f"results/{task.id}/{record.fence}")
    assert (record.state, record.result, record.result_ref) == (State.SUCCEEDED, None, str(uri))
    assert record.result_type == "application/octet-stream"
    assert await stage.objects.get(uri) == large
    assert (stage.replies[0].headers["warren-result-ref"], stage.replies[0].body) == (str(uri), b"")


def knows_large_work(stage: Stage, **terms: Any) -> list[int]:
    """Teach the workers a task with a large result, during which the storage goes away; return its attempts."""
    attempts: list[int] = []

    async def handle(context: Context) -> Payload:
        attempts.append(context.attempt)
        stage.objects.available = context.attempt > 1
        return Payload(b"x" * (MAX_INLINE_BYTES + 1), "application/octet-stream")

    stage.knows("large", handle, **terms)
    return attempts


async def test_a_large_result_waits_for_a_storage_that_is_away_for_a_moment(stage: Stage) -> None:
    attempts = knows_large_work(stage)
    task = await stage.submit("large")
    async with stage.working():
        await until(lambda: not stage.objects.available)
        await nothing_happens(0.1)
        assert (await stage.record(task)).state is State.STARTED
        stage.objects.available = True
        await until(lambda: stage.empty)
    assert ((await stage.record(task)).state, attempts) == (State.SUCCEEDED, [1])


async def test_a_result_that_cannot_be_stored_is_a_failed_attempt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warren_consumer.closing.RESULT_PATIENCE_SECONDS", 0.0)
    attempts = knows_large_work(stage, max_attempts=2)
    task = await stage.submit("large")
    await run_through(stage)
    record = await stage.record(task)
    assert (record.state, record.failures, attempts) == (State.SUCCEEDED, 1, [1, 2])


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Payload(b"NaN"), "not JSON"),
        (Payload(b"[1, NaN, " + b"1, " * MAX_INLINE_BYTES + b"1]"), "not JSON"),
        (Payload(b'{"open":'), "not JSON"),
        (Payload(b"text", "Application/JSON; charset=utf-8"), "not JSON"),
        (Payload(b'"\\ud800"'), "not JSON"),
        (Payload(b"[" * 300 + b"]" * 300), "not JSON"),
        (Payload(b"x", "image"), "media type"),
        (Payload(b"x", ""), "media type"),
        (Payload(b"x", "image/" + "x" * 255), "media type"),
    ],
    ids=[
        "NaN",
        "NaN in a large one",
        "cut off",
        "another way to write JSON's type",
        "surrogate",
        "deep",
        "no type",
        "empty type",
        "long type",
    ],
)
async def test_a_result_that_no_document_can_tell_fails_the_task(stage: Stage, result: Payload, said: str) -> None:
    async def handle(_: Context) -> Payload:
        return result

    stage.knows("careless", handle, max_attempts=5)
    task = await stage.submit("careless")
    await run_through(stage)
    record = await stage.record(task)
    assert record.error is not None
    assert (record.state, record.attempt, record.error.code) == (State.FAILED, 1, "invalid-result")
    assert said in record.error.message
