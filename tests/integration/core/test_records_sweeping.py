"""What the system pool does to records: sweeping, abandoning, and the results of workers that know no records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pytest

from tests.unit.core.worlds import World
from warren.record import (
    End,
    Lease,
    Note,
    Outcome,
    Progress,
    Record,
    Renewal,
    State,
    Submission,
    Swept,
    TaskError,
    Verdict,
)
from warren.records import KEPT_REPORTS, LEASE_SECONDS, Records
from warren.tasks import Task, TaskOptions

UNACCEPTED, STALE = 300.0, 600.0
DONE = Outcome(State.SUCCEEDED, result=b"42", result_type="application/json")
FAULT = TaskError(code="exception", message="no luck")
LOST = TaskError(code="lost", message="no message stands behind it")


async def sweep(world: World, limit: int = 100) -> Swept:
    return await world.records.sweep(unaccepted_seconds=UNACCEPTED, stale_seconds=STALE, limit=limit)


async def accepted(records: Records, task: Task) -> Task:
    await records.create(task)
    await records.accept(task.id)
    return task


async def claimed(records: Records, task: Task, *, alone: bool = False) -> Lease:
    claim = await records.claim(task, "c1", alone=alone)
    assert claim.lease is not None, claim
    return claim.lease


async def the_record(records: Records, task: Task) -> Record:
    [record] = await records.read([task.id])
    assert record is not None
    return record


async def found_stale(world: World, task: Task) -> Record:
    """Return what a sweep finds forgotten, once it must."""
    world.advance(STALE + UNACCEPTED)
    [record] = (await sweep(world)).stale
    assert record.id == task.id
    return record


async def test_what_was_never_accepted_is_deleted_unless_an_mljob_owns_it(world: World) -> None:
    records = world.records
    lost, owned = Task("echo", "cpu", idempotency_key="k"), Task("train", "train-cpu", owner="mljob/x")
    for task in (lost, owned):
        await records.create(task)
    kept = await accepted(records, Task("echo", "cpu"))
    world.advance(UNACCEPTED - 1)
    assert await sweep(world) == Swept(0)
    world.advance(2)
    assert await sweep(world) == Swept(2, deleted=[lost.id])
    found = await records.read([lost.id, owned.id, kept.id])
    assert [record and record.state for record in found] == [None, State.QUEUED, State.QUEUED]
    assert (await records.create(Task("echo", "cpu", idempotency_key="k")))[0] is Submission.CREATED


async def test_the_sweeps_time_begins_anew_with_each_try(world: World) -> None:
    task = Task("echo", "cpu")
    await world.records.create(task)
    world.advance(UNACCEPTED - 10)
    assert (await world.records.create(task))[0] is Submission.UNACCEPTED
    world.advance(20)
    assert await sweep(world) == Swept(0)
    world.advance(UNACCEPTED - 9)
    assert (await sweep(world)).deleted == [task.id]


async def test_what_has_ended_is_not_looked_at(world: World) -> None:
    records = world.records
    task = Task("echo", "cpu")
    await records.create(task)
    await records.cancel(task.id)
    await records.cancel("never", absent=Task("echo", "cpu", id="never"))
    done, failed, ended = Task("echo", "cpu"), Task("echo", "cpu"), Task("echo", "cpu")
    await records.finish(await claimed(records, done), done, DONE)
    await records.finish(await claimed(records, failed), failed, Outcome(State.FAILED, error=FAULT))
    await records.finish(Lease("lost", 1, 1), Task("echo", "cpu", id="lost"), DONE)
    await records.end(ended, DONE)
    world.advance(STALE)
    assert await sweep(world) == Swept(0)


async def test_what_is_past_its_expiry_ends_and_is_due(world: World) -> None:
    records = world.records
    soon = await accepted(records, Task("echo", "cpu", options=TaskOptions(expires_seconds=100)))
    later = await accepted(records, Task("echo", "cpu", options=TaskOptions(expires_seconds=UNACCEPTED + 100)))
    never = Task("echo", "cpu", options=TaskOptions(expires_seconds=100))
    await records.create(never)
    running = await accepted(records, Task("echo", "cpu", options=TaskOptions(expires_seconds=100)))
    lease = await claimed(records, running)
    world.advance(101)
    assert sorted((await sweep(world)).expired) == sorted([soon.id, never.id])
    assert {record.id for record in await records.due(older_than_seconds=0)} == {soon.id, never.id}
    assert (await the_record(records, soon)).state is State.EXPIRED
    world.advance(UNACCEPTED - 100)
    assert await sweep(world) == Swept(1), "it is looked at again when it expires"
    world.advance(100)
    assert (await sweep(world)).expired == [later.id]
    assert await records.renew(lease, running, "c1") is Renewal.RENEWED


async def test_more_than_the_limit_is_left_for_the_next_sweep(world: World) -> None:
    tasks = [await accepted(world.records, Task("echo", "cpu")) for _ in range(5)]
    world.advance(STALE)
    swept = [await sweep(world, limit=2) for _ in range(3)]
    assert [sweeping.looked for sweeping in swept] == [2, 2, 1]
    assert {record.id for sweeping in swept for record in sweeping.stale} == {task.id for task in tasks}
    assert await sweep(world) == Swept(0)


async def test_a_record_is_found_forgotten_again_and_again(world: World) -> None:
    task = await accepted(world.records, Task("echo", "cpu"))
    await found_stale(world, task)
    assert await sweep(world) == Swept(0)
    world.advance(STALE - 1)
    assert await sweep(world) == Swept(0)
    world.advance(2)
    assert [record.id for record in (await sweep(world)).stale] == [task.id]


@pytest.mark.parametrize("step", ["renew", "retry"])
async def test_what_a_flushed_store_learns_anew_is_looked_at(world: World, step: str) -> None:
    task = Task("echo", "cpu")
    lease = Lease(task.id, 1_900_000_000_000_000, 1)
    if step == "renew":
        await world.records.renew(lease, task, "c1")
    else:
        await world.records.retry(lease, task, FAULT, after_seconds=1)
    await found_stale(world, task)


async def test_an_open_record_that_its_mljob_let_go_of_is_looked_at(world: World) -> None:
    task = await accepted(world.records, Task("train", "train-cpu", owner="mljob/x"))
    await world.records.disown(task.id)
    await found_stale(world, task)


async def held(records: Records, task: Task) -> None:
    await records.hold(task.id, held=True)


async def retrying_later(records: Records, task: Task) -> None:
    await records.retry(await claimed(records, task), task, FAULT, after_seconds=3 * STALE)


async def leased(records: Records, task: Task) -> None:
    await records.claim(task, "c1", alone=False, seconds=3 * STALE)


async def resumed(records: Records, task: Task) -> None:
    await records.hold(task.id, held=True)
    await records.hold(task.id, held=False)


async def released(records: Records, task: Task) -> None:
    await records.release(await claimed(records, task))


async def tried_again(records: Records, task: Task) -> None:
    await records.create(task)
    await records.accept(task.id)


async def put_back_for_one_that_holds_nothing_else(records: Records, task: Task) -> None:
    assert (await records.claim(task, "c2", alone=False)).verdict is Verdict.ALONE


async def lapse(world: World, task: Task) -> None:
    await claimed(world.records, task)
    world.advance(LEASE_SECONDS + 1)


@pytest.mark.parametrize("state", [held, retrying_later, leased])
async def test_what_waits_for_something_is_not_forgotten(
    world: World, state: Callable[[Records, Task], Awaitable[None]]
) -> None:
    task = await accepted(world.records, Task("echo", "cpu"))
    await state(world.records, task)
    world.advance(2 * STALE)
    assert await sweep(world) == Swept(1)


@pytest.mark.parametrize("change", [released, resumed, tried_again, put_back_for_one_that_holds_nothing_else])
async def test_what_has_just_changed_is_not_forgotten(
    world: World, change: Callable[[Records, Task], Awaitable[None]]
) -> None:
    task = Task("echo", "cpu")
    await world.records.create(task)
    if change is not tried_again:
        await world.records.accept(task.id)
    if change is put_back_for_one_that_holds_nothing_else:
        await lapse(world, task)
    world.advance(STALE)
    await change(world.records, task)
    world.advance(STALE - 10)
    assert (await sweep(world)).stale == []
    world.advance(STALE + 10)
    assert [record.id for record in (await sweep(world)).stale] == [task.id]


async def test_an_abandoned_record_ends_as_failed_and_is_told(world: World) -> None:
    records = world.records
    task = await accepted(records, Task("echo", "cpu"))
    seen = await found_stale(world, task)
    assert await records.abandon(seen, LOST)
    record = await the_record(records, task)
    assert (record.state, record.error) == (State.FAILED, LOST)
    assert [due.id for due in await records.due(older_than_seconds=0)] == [task.id]
    assert [letter.id for letter in (await records.dead()).records] == [task.id]
    assert not await records.abandon(record, LOST)
    assert (await records.claim(task, "c1", alone=True)).verdict is Verdict.ENDED


async def canceled(records: Records, task: Task) -> None:
    await records.cancel(task.id)


async def started(records: Records, task: Task) -> None:
    await claimed(records, task)


@pytest.mark.parametrize("change", [canceled, started, released, retrying_later, resumed])
async def test_a_record_that_somebody_has_seen_to_is_not_abandoned(
    world: World, change: Callable[[Records, Task], Awaitable[None]]
) -> None:
    task = await accepted(world.records, Task("echo", "cpu"))
    seen = await found_stale(world, task)
    await change(world.records, task)
    before = await the_record(world.records, task)
    assert not await world.records.abandon(seen, LOST)
    assert (await the_record(world.records, task)).state is before.state


async def test_a_leased_record_is_never_abandoned(world: World) -> None:
    task = Task("echo", "cpu")
    await claimed(world.records, task)
    assert not await world.records.abandon(await the_record(world.records, task), LOST)


async def test_a_lapsed_record_is_abandoned_unless_its_consumer_comes_back(world: World) -> None:
    records = world.records
    dead, alive = Task("echo", "cpu"), Task("echo", "cpu")
    await lapse(world, dead)
    lease = await claimed(records, alive)
    world.advance(LEASE_SECONDS + 1)
    seen = [await the_record(records, task) for task in (dead, alive)]
    await records.renew(lease, alive, "c1")
    assert [await records.abandon(record, LOST) for record in seen] == [True, False]


async def absent(*_: object) -> None:
    pass


BEFORE: Mapping[str, Callable[[Records, Task], Awaitable[object]]] = {
    "absent": absent,
    "queued": accepted,
    "retrying": retrying_later,
    "handed back": released,
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("end", [DONE, Outcome(State.FAILED, error=FAULT, payload=b"[1]")])
async def test_a_result_without_a_lease_ends_what_nobody_works_on(world: World, before: str, end: Outcome) -> None:
    records = world.records
    task = Task("echo", "cpu", reply_to="replies")
    await BEFORE[before](records, task)
    assert await records.end(task, end) is End.ENDED
    record = await the_record(records, task)
    assert (record.state, record.result, record.error) == (end.state, end.result, end.error)
    assert (record.attempt, record.reply_to, record.accepted) == (1, "replies", True)
    assert [due.id for due in await records.due(older_than_seconds=0)] == [task.id]
    letters = [letter.id for letter in (await records.dead()).records]
    assert letters == ([task.id] if end.state is State.FAILED else [])
    assert record.payload == end.payload
    assert await records.end(task, DONE) is End.ALREADY
    assert (await the_record(records, task)).state is end.state


async def test_a_result_without_a_lease_is_refused_under_one(world: World) -> None:
    task = Task("echo", "cpu")
    lease = await claimed(world.records, task)
    assert await world.records.end(task, DONE) is End.LEASED
    assert (await the_record(world.records, task)).state is State.STARTED
    world.advance(LEASE_SECONDS + 1)
    assert await world.records.end(task, DONE) is End.ENDED
    assert await world.records.finish(lease, task, Outcome(State.FAILED, error=FAULT)) is None


async def test_what_a_worker_without_a_lease_says_of_its_work(world: World) -> None:
    records, task = world.records, Task("echo", "cpu", options=TaskOptions(expires_seconds=60))
    await accepted(records, task)
    assert await records.note(task, None, report="begins") is Note.BEGUN
    world.advance(90)
    assert await records.note(task, Progress(fraction=0.5, message="half"), report="half") is Note.NOTED
    record = await the_record(records, task)
    assert (record.state, record.attempt, record.progress) == (State.STARTED, 1, Progress(fraction=0.5, message="half"))
    assert record.consumer is None
    assert await records.note(task, None, report="begins-again") is Note.BEGUN
    record = await the_record(records, task)
    assert (record.state, record.attempt, record.progress) == (State.STARTED, 2, None)
    assert record.started_at is not None
    assert record.submitted_at is not None
    assert record.started_at - record.submitted_at == pytest.approx(90, abs=1)
    assert await records.end(task, DONE) is End.ENDED
    assert await records.note(task, None, report="late") is Note.ALREADY
    assert (await the_record(records, task)).attempt == 2


@pytest.mark.parametrize("before", BEFORE)
async def test_the_first_word_of_a_worker_without_a_lease_begins_an_attempt(world: World, before: str) -> None:
    records, task = world.records, Task("echo", "cpu", reply_to="replies")
    await BEFORE[before](records, task)
    attempts = int(before in {"retrying", "handed back"})
    first = before == "handed back"  # of a record that is started already, only the word without progress begins one
    assert await records.note(task, None if first else Progress(fraction=0.1), report="begins") is Note.BEGUN
    record = await the_record(records, task)
    assert (record.state, record.attempt, record.due_at, record.accepted) == (State.STARTED, attempts + 1, None, True)
    assert record.progress == (None if first else Progress(fraction=0.1))
    assert (await sweep(world)).stale == []


async def test_a_worker_without_a_lease_says_nothing_against_one_that_has_it(world: World) -> None:
    records, task = world.records, Task("echo", "cpu")
    await claimed(records, task)
    assert await records.note(task, Progress(fraction=0.5), report="half") is Note.LEASED
    assert (await the_record(records, task)).progress is None
    world.advance(LEASE_SECONDS + 1)
    assert await records.note(task, None, report="begins") is Note.BEGUN
    record = await the_record(records, task)
    assert (record.attempt, record.leased, record.consumer) == (2, False, None)
    assert (await records.claim(task, "c2", alone=False)).verdict is Verdict.ALONE, "the lapse is not forgotten"


async def test_a_task_that_a_worker_without_a_lease_left_can_be_claimed(world: World) -> None:
    records, task = world.records, Task("echo", "cpu")
    await records.note(task, None, report="begins")
    lease = await claimed(records, task)
    assert lease.attempt == 2
    assert await records.note(task, None, report="late") is Note.LEASED
    assert await records.finish(lease, task, DONE) is not None


@pytest.mark.parametrize("progress", [None, Progress(fraction=0.5)])
async def test_a_report_that_is_noted_again_begins_one_attempt(world: World, progress: Progress | None) -> None:
    records, task = world.records, Task("echo", "cpu")
    assert await records.note(task, progress, report="first") is Note.BEGUN
    assert await records.note(task, progress, report="first") is Note.BEGUN
    again = await the_record(records, task)
    assert (again.attempt, again.progress) == (1, progress)


async def test_of_a_report_that_comes_late_it_is_known_that_its_attempt_has_begun(world: World) -> None:
    records, task = world.records, Task("echo", "cpu")
    reports = [f"report-{number}" for number in range(KEPT_REPORTS)]
    for _ in range(2):
        for report in reports:
            assert await records.note(task, None, report=report) is Note.BEGUN
        assert (await the_record(records, task)).attempt == KEPT_REPORTS
    assert await records.note(task, None, report="report") is Note.BEGUN, "a name is known whole, not by a part of it"
    assert (await the_record(records, task)).attempt == KEPT_REPORTS + 1
    lease = await claimed(records, task)
    await records.retry(lease, task, FAULT, after_seconds=5)
    assert await records.note(task, None, report="report") is Note.BEGUN
    assert (await the_record(records, task)).state is State.RETRYING, "what is over begins no more"
