"""The dead letters: what failed, in pages, until it is discarded or its life has run out."""

from __future__ import annotations

import pytest
import redis

from tests.integration.servers import Workspace
from tests.unit.core.worlds import World
from warren.record import Outcome, Record, State, TaskError, Verdict
from warren.records import LEASE_SECONDS, MAX_LAPSES, Records
from warren.records.redis import DEAD, RedisRecords
from warren.tasks import Payload, Task

FAULT = TaskError(code="exception", message="no luck")


async def failed(records: Records, task: Task | None = None) -> Task:
    task = task or Task("echo", "cpu", Payload(b"[1]"))
    claim = await records.claim(task, "c1", alone=True)
    assert claim.lease is not None
    assert await records.finish(claim.lease, task, Outcome.failed(FAULT, task.payload)) is not None
    return task


async def pages(records: Records, limit: int) -> list[list[str]]:
    page = await records.dead(limit=limit)
    found = [page.records]
    while page.next is not None:
        page = await records.dead(after=page.next, limit=limit)
        found.append(page.records)
    return [[record.id for record in records] for records in found]


async def the_record(records: Records, task: Task) -> Record:
    [record] = await records.read([task.id])
    assert record is not None
    return record


async def test_what_failed_is_listed_newest_first(world: World) -> None:
    records = world.records
    tasks = []
    for _ in range(4):
        tasks.append(await failed(records))
        world.advance(1)
    succeeded, owned = Task("echo", "cpu"), Task("train", "train-cpu", owner="mljob/x")
    await records.end(succeeded, Outcome(State.SUCCEEDED))
    await failed(records, owned)
    newest = [task.id for task in reversed(tasks)]
    assert await pages(records, 3) == [newest[:3], newest[3:]]
    assert await pages(records, 2) == [newest[:2], newest[2:]]
    assert await pages(records, 100) == [newest]
    [letter] = (await records.dead(limit=1)).records
    assert (letter.payload, letter.payload_size, letter.payload_type) == (None, 3, "application/json")
    assert letter.error == FAULT
    record = await the_record(records, tasks[-1])
    assert (record.payload, record.payload_type) == (b"[1]", "application/json")


async def test_nothing_failed(world: World) -> None:
    assert await pages(world.records, 10) == [[]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10])
async def test_ends_at_the_same_time_are_neither_skipped_nor_repeated(
    world: World, workspace: Workspace, limit: int
) -> None:
    tasks = [await failed(world.records) for _ in range(10)]
    if isinstance(world.records, RedisRecords):
        with redis.Redis.from_url(workspace.records_url) as admin:
            admin.zadd(DEAD, {task.id: 1_750_000_000_000 for task in tasks})
    found = [task_id for page in await pages(world.records, limit) for task_id in page]
    assert sorted(found) == sorted(task.id for task in tasks)


async def test_a_page_goes_on_where_the_last_ended_even_if_that_record_is_gone(world: World) -> None:
    records = world.records
    tasks = [await failed(records) for _ in range(5)]
    first = await records.dead(limit=2)
    for record in first.records:
        await records.discard(record.id)
    await failed(records)
    second = await records.dead(after=first.next, limit=10)
    seen = [record.id for record in (*first.records, *second.records)]
    assert sorted(seen) == sorted(task.id for task in tasks)
    assert second.next is None


async def at_one_time(world: World, workspace: Workspace, *tasks: Task) -> None:
    """Let the tasks fail in one millisecond."""
    for task in tasks:
        await failed(world.records, task)
    if isinstance(world.records, RedisRecords):
        with redis.Redis.from_url(workspace.records_url) as admin:
            admin.zadd(DEAD, {task.id: 1_750_000_000_000 for task in tasks})


async def test_a_place_tells_no_id_of_what_lies_at_its_edges(world: World) -> None:
    for _ in range(3):
        await failed(world.records)
        world.advance(1)
    page = await world.records.dead(limit=1)
    ended, dash, shown = (page.next or "").partition("-")
    assert (int(ended) // 1000, dash, shown) == (int(page.records[0].finished_at or 0), "-", "")
    assert len(await pages(world.records, 1)) == 3


async def test_a_place_among_ends_at_the_same_time_tells_as_much_of_an_id_as_it_must(
    world: World, workspace: Workspace
) -> None:
    ids = ["b-longer", "b-long", "b", "azure", "amber"]
    await at_one_time(world, workspace, *(Task("echo", "cpu", id=task_id) for task_id in ids))
    assert await pages(world.records, 1) == [[task_id] for task_id in ids]
    shown = []
    for count in range(1, len(ids)):
        page = await world.records.dead(limit=count)
        shown.append((page.next or "").partition("-")[2])
    assert shown == ["b-longe", "b-", "b", "az"]


async def test_a_place_is_found_although_its_text_is_anothers_id(world: World, workspace: Workspace) -> None:
    await failed(world.records, Task("echo", "cpu", id="b"))
    world.advance(1)
    await at_one_time(world, workspace, Task("echo", "cpu", id="bee"), Task("echo", "cpu", id="ape"))
    newest = [record.id for record in (await world.records.dead()).records]
    assert [task_id for page in await pages(world.records, 1) for task_id in page] == newest
    assert len(newest) == 3


async def test_a_dead_letter_whose_life_has_run_out_is_gone(world: World) -> None:
    records = world.records
    gone = [await failed(records) for _ in range(3)]
    kept = await failed(records)
    for task in gone:
        await records.settle(task.id, ttl_seconds=100)
    world.advance(101)
    assert (await pages(records, 1))[0] == [kept.id]
    assert [task_id for page in await pages(records, 2) for task_id in page] == [kept.id]


async def test_the_sweep_strikes_off_what_is_gone_though_nobody_looks(world: World, workspace: Workspace) -> None:
    for _ in range(3):
        task = await failed(world.records)
        await world.records.settle(task.id, ttl_seconds=100)
    kept = await failed(world.records)
    world.advance(101)
    await world.records.sweep(unaccepted_seconds=300, stale_seconds=600, limit=10)
    if isinstance(world.records, RedisRecords):
        with redis.Redis.from_url(workspace.records_url) as admin:
            assert admin.zrange(DEAD, 0, -1) == [kept.id.encode()]


@pytest.mark.parametrize("place", ["", "x", "12", "-x", "1e5-x", "²-x"])
async def test_a_place_that_is_none_is_refused(world: World, place: str) -> None:
    with pytest.raises(ValueError, match="dead letters"):
        await world.records.dead(after=place)


async def test_a_discarded_letter_keeps_its_state_and_loses_its_payload(world: World) -> None:
    records = world.records
    stored = Payload(b"", "image/jpeg", reference="s3://bucket/payloads/1", sha256="ab" * 32)
    task = await failed(records, Task("echo", "cpu", stored))
    before = await records.discard(task.id, replayed_as="0196")
    assert before is not None
    assert (before.payload_ref, before.payload_sha256, before.payload_type) == (
        "s3://bucket/payloads/1",
        "ab" * 32,
        "image/jpeg",
    )
    record = await the_record(records, task)
    assert (record.state, record.error, record.replayed_as) == (State.FAILED, FAULT, "0196")
    assert (record.payload, record.payload_ref, record.payload_sha256, record.payload_type) == (None,) * 4
    assert await records.discard(task.id) is None
    assert await pages(records, 10) == [[]]


async def test_a_replay_is_noted_though_the_letter_was_discarded_meanwhile(world: World) -> None:
    records, task, running = world.records, await failed(world.records), Task("echo", "cpu")
    await records.claim(running, "c1", alone=False)
    assert await records.discard(task.id) is not None
    assert [await records.discard(one.id, replayed_as="0196") for one in (task, running)] == [None, None]
    assert [(await the_record(records, one)).replayed_as for one in (task, running)] == ["0196", None]


async def test_what_is_no_dead_letter_cannot_be_discarded(world: World) -> None:
    records = world.records
    running, owned = Task("echo", "cpu"), Task("train", "train-cpu", owner="mljob/x")
    await records.claim(running, "c1", alone=False)
    await failed(records, owned)
    said = [await records.discard(task_id) for task_id in (running.id, owned.id, "none")]
    assert said == [None, None, None]
    assert (await the_record(records, owned)).payload == b"{}"


@pytest.mark.parametrize("payload", [Payload(b"[1]"), Payload(b"", reference="s3://b/1", sha256="ab" * 32)])
async def test_poison_keeps_its_payload_too(world: World, payload: Payload) -> None:
    records, task = world.records, Task("echo", "cpu", payload)
    for _ in range(MAX_LAPSES):
        await records.claim(task, "c1", alone=True)
        world.advance(LEASE_SECONDS + 1)
    assert (await records.claim(task, "c1", alone=True)).verdict is Verdict.POISON
    [letter] = (await records.dead()).records
    record = await the_record(records, task)
    assert letter.id == task.id
    kept = (None, payload.reference) if payload.reference else (payload.body, None)
    assert (record.payload, record.payload_ref, record.payload_sha256) == (*kept, payload.sha256)


async def test_a_message_that_comes_again_does_not_bring_back_what_was_discarded(world: World) -> None:
    task = await failed(world.records)
    await world.records.discard(task.id)
    assert (await world.records.claim(task, "c1", alone=True)).verdict is Verdict.ENDED
    record = await the_record(world.records, task)
    assert (record.payload, record.payload_type) == (None, None)
