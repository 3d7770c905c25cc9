"""The system pool: objects that no record needs any more."""

from __future__ import annotations

import pytest

from tests.unit.consumer.stage import BUCKET
from tests.unit.consumer.system_case import SystemCase
from warren.objects import ObjectUri
from warren.record import Outcome, State, TaskError
from warren.tasks import Payload, Task, new_task_id

HOUR, DAY = 3600.0, 24 * 3600.0


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


def uri(key: str) -> ObjectUri:
    return ObjectUri(BUCKET, key)


async def put(case: SystemCase, *keys: str) -> None:
    for key in keys:
        await case.objects.put(uri(key), b"x")


async def left(case: SystemCase, *, after: float) -> list[str]:
    """Return the objects that are left when the duty is done after so long."""
    case.advance(after)
    await case.leftovers.once()
    return [found.key for found in await case.objects.list(uri(""))]


async def end(case: SystemCase, task: Task, state: State, **fields: str) -> None:
    error = TaskError(code="x", message="x") if state is State.FAILED else None
    await case.records.end(task, Outcome(state, error=error, **fields))  # type: ignore[arg-type]


async def test_young_objects_are_left_alone(case: SystemCase) -> None:
    key = f"results/{new_task_id()}/1"
    await put(case, key)
    assert await left(case, after=HOUR - 1) == [key]
    assert await left(case, after=2) == []
    assert case.counted("warren_system_objects_deleted_total", "results") == 1


async def test_what_a_waiting_task_has_is_needed(case: SystemCase) -> None:
    task = await case.submit()
    keys = [f"checkpoints/{task.id}/1/a/b", f"payloads/{task.id}", f"results/{task.id}/1"]
    await put(case, *keys)
    assert await left(case, after=100 * DAY) == keys


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.EXPIRED, State.CANCELED])
async def test_payload_and_checkpoints_go_when_the_task_has_ended(case: SystemCase, state: State) -> None:
    task = await case.submit()
    await put(case, f"payloads/{task.id}", f"checkpoints/{task.id}/1/a", f"checkpoints/{task.id}/2/a")
    await end(case, task, state)
    assert await left(case, after=HOUR) == []


async def test_a_failed_task_keeps_its_payload_until_it_is_discarded(case: SystemCase) -> None:
    key = f"payloads/{(task_id := new_task_id())}"
    task = Task("work", "cpu", Payload(b"", reference=str(uri(key)), sha256="0" * 64), id=task_id)
    await case.records.create(task)
    await put(case, key, f"checkpoints/{task_id}/1/a")
    await end(case, task, State.FAILED, payload_ref=str(uri(key)), payload_sha256="0" * 64)
    assert await left(case, after=HOUR) == [key]
    await case.records.discard(task_id)
    assert await left(case, after=HOUR) == []


async def test_a_task_that_has_just_failed_may_get_its_payload_in_a_moment(case: SystemCase) -> None:
    task = await case.submit()
    await put(case, key := f"payloads/{task.id}")
    case.advance(HOUR)
    await end(case, task, State.FAILED)
    assert await left(case, after=10) == [key]
    assert await left(case, after=HOUR) == []


async def test_of_several_results_the_recorded_one_stays(case: SystemCase) -> None:
    task = await case.submit()
    await put(case, f"results/{task.id}/1", f"results/{task.id}/2")
    await end(case, task, State.SUCCEEDED, result_ref=str(uri(f"results/{task.id}/2")))
    assert await left(case, after=HOUR) == [f"results/{task.id}/2"]


async def test_a_payload_without_a_record_may_have_a_message_yet(case: SystemCase) -> None:
    key = f"payloads/{new_task_id()}"
    await put(case, key)
    assert await left(case, after=DAY - 1) == [key]
    assert await left(case, after=2) == []


@pytest.mark.parametrize(
    "task_id",
    ["01A20387-77CD-7605-B437-4D80A6656D1C", "01a2038777cd7605b4374d8137095357", "order-17", "a/b"],
)
async def test_what_a_task_of_any_id_left_is_deleted(case: SystemCase, task_id: str) -> None:
    fence, digest = "1763737200000000", "0a" * 32
    task = Task("work", "cpu", id=task_id)
    keys = [f"results/{task_id}/{digest}", f"results/{task_id}/{fence}", f"checkpoints/{task_id}/{fence}/a/b"]
    await put(case, *keys)
    await case.records.create(task)
    assert sorted(await left(case, after=HOUR)) == sorted(keys)
    await end(case, task, State.SUCCEEDED, result_ref=str(uri(keys[0])))
    assert await left(case, after=HOUR) == keys[:1]


async def test_a_payload_of_an_id_in_capitals_is_deleted(case: SystemCase) -> None:
    await put(case, f"payloads/{new_task_id().upper()}")
    assert await left(case, after=DAY) == []


async def test_objects_of_others_are_left_alone(case: SystemCase) -> None:
    task_id = new_task_id()
    keys = [
        f"checkpoints/{task_id}",
        "checkpoints/notes.txt",
        "datasets/iris.csv",
        f"models/{task_id}/1",
        f"payloads/{task_id}.bak",
        f"payloads/{task_id}/more",
        f"results/{task_id}",
        f"results/{task_id}/1/more",
        "results/2025/table.csv",
    ]
    await put(case, *keys)
    assert await left(case, after=100 * DAY) == keys


async def test_many_are_seen_to(case: SystemCase) -> None:
    kept = await case.submit()
    await put(case, *(f"results/{new_task_id()}/1" for _ in range(1201)), f"results/{kept.id}/1")
    assert await left(case, after=HOUR) == [f"results/{kept.id}/1"]
