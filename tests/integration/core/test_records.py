"""The semantics of task records: one suite, run against the records in memory and against a real store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.integration.core.steps import DONE, a_task, claimed, state_of
from tests.integration.servers import Workspace
from warren.clock import SystemClock
from warren.message import decode_task, encode_task
from warren.record import Lease, Progress, Renewal, State, Submission, TaskError, Verdict
from warren.records import MAX_LAPSES, Records
from warren.records.memory import MemoryRecords
from warren.records.pipeline import MOST_TOGETHER
from warren.tasks import Task, TaskOptions, new_task_id

SHORT = 0.05
"""A lease, in seconds, that a test can wait for."""


@pytest.fixture(params=["memory", "redis"])
async def records(request: pytest.FixtureRequest, workspace: Workspace) -> AsyncIterator[Records]:
    """Give the records of both adapters in turn."""
    if request.param == "memory":
        yield MemoryRecords(SystemClock())
        return
    records = workspace.records()
    yield records
    await records.close()


async def test_a_submission_is_created_once_and_published_until_it_is_accepted(records: Records) -> None:
    task = a_task()
    assert (await records.create(task))[0] is Submission.CREATED
    assert (await records.create(task))[0] is Submission.UNACCEPTED
    await records.accept(task.id)
    submission, record = await records.create(task)
    assert submission is Submission.ACCEPTED
    assert record.state is State.QUEUED
    assert (record.id, record.name, record.pool) == (task.id, "echo", "cpu")


async def test_what_is_accepted_at_once_is_noted_of_each_and_of_no_task_that_is_gone(records: Records) -> None:
    tasks = [a_task() for _ in range(MOST_TOGETHER + 1)]
    await asyncio.gather(*map(records.create, tasks))
    await asyncio.gather(*(records.accept(task_id) for task_id in [*(task.id for task in tasks), "gone"]))
    assert {submission for submission, _ in await asyncio.gather(*map(records.create, tasks))} == {Submission.ACCEPTED}
    assert await records.read(["gone"]) == [None]


@pytest.mark.parametrize(
    "task",
    [
        a_task(),
        Task("echo", "cpu", deadline=4_000_000_000.1234, replay_of="another", replays=2, reply_to="q", model="iris@1"),
        Task(
            "echo", "cpu", owner="mljob/a/b/c", idempotency_key="k", options=TaskOptions(expires_seconds=9, pool="cpu")
        ),
        a_task(callback_url="http://127.0.0.1/x", callback_events=("failed",), priority="high"),
        a_task(delay_seconds=5, expires_seconds=60.5, max_attempts=3, timeout_seconds=1.5),
    ],
    ids=["plain", "replay", "owned", "callback", "options"],
)
async def test_a_new_record_is_answered_as_it_is_read_afterwards(records: Records, task: Task) -> None:
    task = replace(task, id=new_task_id())
    _, created = await records.create(task)
    [read] = await records.read([task.id])
    assert read is not None
    assert created == read.model_copy(update={"now": created.now})


async def test_a_flushed_store_learns_the_caller_from_the_message(records: Records) -> None:
    task = Task("echo", "cpu", caller="ann")
    await claimed(records, decode_task(encode_task(task), "cpu"))
    [record] = await records.read([task.id])
    assert record is not None
    assert record.caller == "ann"


async def test_a_claim_leads_to_one_result(records: Records) -> None:
    task = a_task()
    await records.create(task)
    lease = await claimed(records, task)
    assert lease.attempt == 1
    assert await records.finish(lease, task, DONE)
    [record] = await records.read([task.id])
    assert record
    assert (record.state, record.result, record.attempt) == (State.SUCCEEDED, b"42", 1)
    assert record.consumer == "c1", "who did it is told afterwards too"
    assert record.finished_at is not None
    assert (await records.claim(task, "c2", alone=False)).verdict is Verdict.ENDED


async def test_a_finish_asked_for_again_is_answered_the_same(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    ended = await records.finish(lease, task, DONE)
    [record] = await records.read([task.id])
    assert record
    assert ended == record.finished_at is not None
    await asyncio.sleep(0.01)
    assert await records.finish(lease, task, DONE) == ended


async def test_a_message_without_a_record_creates_it(records: Records) -> None:
    task = a_task()
    await claimed(records, task)
    [record] = await records.read([task.id])
    assert record
    assert record.accepted
    assert record.leased


async def test_a_message_without_a_record_expires_when_it_says(records: Records) -> None:
    late = Task("echo", "cpu", deadline=time.time() - 1)
    assert (await records.claim(late, "c1", alone=False)).verdict is Verdict.EXPIRED
    deadline = round(time.time() + 60, 3)
    in_time = Task("echo", "cpu", deadline=deadline)
    assert (await records.claim(in_time, "c1", alone=False)).record.expires_at == deadline


async def test_a_record_says_whose_replay_it_is(records: Records) -> None:
    task = Task("echo", "cpu", replay_of="0196", replays=2)
    _, record = await records.create(task)
    assert (record.replay_of, record.replays) == ("0196", 2)
    _, record = await records.create(a_task())
    assert (record.replay_of, record.replays) == (None, 0)


async def test_attempts_are_counted_by_pool(records: Records) -> None:
    before = await records.claims(["cpu", "train-cpu", "none"])
    task = a_task()
    lease = await claimed(records, task)
    assert (await records.claim(task, "c1", alone=False)).verdict is Verdict.ADOPTED
    assert (await records.claim(task, "c2", alone=False)).verdict is Verdict.BUSY
    await records.release(lease)
    await claimed(records, task)
    await claimed(records, Task("train", "train-cpu", owner="mljob/x"))
    counts = await records.claims(["cpu", "train-cpu", "none"])
    assert [counts[pool] - before[pool] for pool in ("cpu", "train-cpu", "none")] == [2, 1, 0]
    assert await records.claims([]) == {}


async def test_a_record_names_the_pool_where_its_message_is(records: Records) -> None:
    task = a_task()
    await records.create(task)
    await records.move(task.id, "gpu")
    [moved] = await records.read([task.id])
    assert moved is not None
    assert (moved.pool, moved.changed_at is not None) == ("gpu", True)
    here = replace(task, pool="big")
    lease = await claimed(records, here)
    await records.move(task.id, "gpu")
    claim = await records.claim(here, "c2", alone=False)
    assert (claim.verdict, claim.record.pool) == (Verdict.BUSY, "big")
    await records.finish(lease, here, DONE)
    await records.move(task.id, "gpu")
    assert (await records.claim(task, "c2", alone=False)).record.pool == "big"
    await records.move(new_task_id(), "gpu")


async def test_a_live_lease_keeps_others_out_and_is_adopted_by_its_owner(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task, "c1")
    short = a_task()
    await claimed(records, short, "c1", seconds=2)
    assert (await records.claim(short, "c2", alone=True)).verdict is Verdict.BUSY
    other = await records.claim(task, "c2", alone=False)
    assert other.verdict is Verdict.BUSY
    assert 29 < other.wait_seconds <= 30
    mine = await records.claim(task, "c1", alone=False)
    assert (mine.verdict, mine.lease) == (Verdict.ADOPTED, lease)


async def test_an_older_fence_can_write_nothing(records: Records) -> None:
    task = a_task()
    frozen = await claimed(records, task, "c1", seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    lease = await claimed(records, task, "c2", alone=True)
    assert lease.fence > frozen.fence
    assert await records.renew(frozen, task, "c1") is Renewal.LOST
    assert await records.finish(frozen, task, DONE) is None
    assert not await records.retry(frozen, task, TaskError(code="exception", message="x"), after_seconds=1)
    assert not await records.release(frozen)
    assert await records.finish(lease, task, DONE)


async def test_a_lapsed_lease_is_prolonged_while_nobody_else_has_claimed(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task, seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    assert await records.renew(lease, task, "c1") is Renewal.RENEWED
    assert await records.finish(lease, task, DONE)


async def test_a_lapse_makes_a_suspect_that_only_an_idle_consumer_may_claim(records: Records) -> None:
    task = a_task()
    await claimed(records, task, seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    claim = await records.claim(task, "c2", alone=False)
    assert (claim.verdict, claim.record.lapses) == (Verdict.ALONE, 0)
    lease = await claimed(records, task, "c2", alone=True)
    assert lease.attempt == 2


async def test_three_lapses_alone_are_poison(records: Records) -> None:
    task = a_task()
    for _ in range(MAX_LAPSES):
        await claimed(records, task, alone=True, seconds=SHORT)
        await asyncio.sleep(2 * SHORT)
    claim = await records.claim(task, "c9", alone=True)
    assert claim.verdict is Verdict.POISON
    assert claim.record.state is State.FAILED
    assert claim.record.error
    assert claim.record.error.code == "poison"


async def test_a_retry_waits_for_its_time_and_charges_a_failure(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    error = TaskError(code="exception", message="no luck")
    assert await records.retry(lease, task, error, after_seconds=10 * SHORT)
    early = await records.claim(task, "c2", alone=False)
    assert (early.verdict, early.record.state, early.record.error) == (Verdict.EARLY, State.RETRYING, error)
    assert 0 < early.wait_seconds <= 10 * SHORT
    await asyncio.sleep(11 * SHORT)
    lease = await claimed(records, task)
    assert lease.attempt == 2
    [record] = await records.read([task.id])
    assert record
    assert (record.failures, record.due_at) == (1, None)


async def test_a_task_that_succeeds_in_the_end_has_no_error(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    assert await records.retry(lease, task, TaskError(code="exception", message="x"), after_seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    assert await records.finish(await claimed(records, task), task, DONE)
    [record] = await records.read([task.id])
    assert record
    assert (record.state, record.failures, record.error) == (State.SUCCEEDED, 1, None)


async def test_a_hand_back_charges_nothing(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    assert await records.release(lease)
    again = await claimed(records, task, "c2")
    [record] = await records.read([task.id])
    assert record
    assert (record.failures, record.lapses, record.suspect) == (0, 0, False)
    assert again.fence > lease.fence


async def test_a_cancel_ends_the_work_and_stays(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    record = await records.cancel(task.id)
    assert record
    assert record.state is State.CANCELED
    assert await records.renew(lease, task, "c1") is Renewal.LOST
    assert not await records.finish(lease, task, DONE)
    assert await state_of(records, task) is State.CANCELED


async def test_a_cancel_of_nothing_can_be_written_down_before_the_message_comes(records: Records) -> None:
    task = a_task()
    assert await records.cancel(task.id) is None
    assert await records.cancel(task.id, absent=task)
    assert (await records.claim(task, "c1", alone=False)).verdict is Verdict.ENDED


async def test_an_ended_task_is_not_canceled(records: Records) -> None:
    task = a_task()
    await records.finish(await claimed(records, task), task, DONE)
    record = await records.cancel(task.id)
    assert record
    assert record.state is State.SUCCEEDED


async def test_a_held_task_is_not_claimed_and_a_running_one_hands_back(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    await records.hold(task.id, held=True)
    assert await records.renew(lease, task, "c1") is Renewal.HAND_BACK
    assert await records.release(lease)
    assert (await records.claim(task, "c1", alone=False)).verdict is Verdict.HELD
    await records.hold(task.id, held=False)
    await claimed(records, task)


async def test_a_delayed_task_is_early(records: Records) -> None:
    task = a_task(delay_seconds=60)
    await records.create(task)
    claim = await records.claim(task, "c1", alone=False)
    assert claim.verdict is Verdict.EARLY
    assert 59 < claim.wait_seconds <= 60


@pytest.mark.parametrize("look", ["read", "claim"])
async def test_a_task_past_its_expiry_expires_when_somebody_looks(records: Records, look: str) -> None:
    task = a_task(expires_seconds=SHORT)
    await records.create(task)
    await asyncio.sleep(2 * SHORT)
    if look == "claim":
        assert (await records.claim(task, "c1", alone=False)).verdict is Verdict.EXPIRED
    assert await state_of(records, task) is State.EXPIRED


async def test_the_shortest_expiry_is_one(records: Records) -> None:
    task = a_task(expires_seconds=0.0001)
    _, record = await records.create(task)
    assert record.expires_at is not None
    await asyncio.sleep(0.005)
    assert await state_of(records, task) is State.EXPIRED


async def test_a_store_that_was_flushed_learns_what_runs(records: Records) -> None:
    task = a_task()
    lease = Lease(task.id, fence=1_900_000_000_000_000, attempt=3)
    assert await records.renew(lease, task, "c1", progress=Progress(fraction=0.5)) is Renewal.RENEWED
    [record] = await records.read([task.id])
    assert record
    assert (record.state, record.attempt, record.name) == (State.STARTED, 3, "echo")
    assert await records.finish(lease, task, DONE)
    other = a_task()
    assert await records.finish(Lease(other.id, 7, 1), other, DONE)
    assert await state_of(records, other) is State.SUCCEEDED


async def test_progress_is_kept_until_the_next_attempt(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    await records.renew(lease, task, "c1", progress=Progress(fraction=0.25, message="a quarter"))
    await records.renew(lease, task, "c1")
    [record] = await records.read([task.id])
    assert record
    assert record.progress == Progress(fraction=0.25, message="a quarter")


def an_awaited_task() -> Task:
    return Task("echo", "cpu", reply_to="warren.reply.test")


async def test_what_ended_is_due_until_it_is_settled_and_then_dies(records: Records) -> None:
    task = an_awaited_task()
    await records.finish(await claimed(records, task), task, DONE)
    assert task.id in [record.id for record in await records.due(older_than_seconds=0)]
    assert task.id not in [record.id for record in await records.due(older_than_seconds=60)]
    await records.settle(task.id, ttl_seconds=SHORT)
    assert task.id not in [record.id for record in await records.due(older_than_seconds=0)]
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None


async def test_what_nobody_waits_for_is_not_due_and_its_life_begins_at_its_end(records: Records) -> None:
    task, owned = Task("echo", "cpu", idempotency_key="unawaited"), Task("train", "train-cpu", owner="mljob/ns/x/uid")
    await records.create(task)
    lease = await claimed(records, task)
    ended = await records.finish(lease, task, DONE, ttl_seconds=SHORT)
    assert ended == await records.finish(lease, task, DONE, ttl_seconds=SHORT)
    await records.finish(await claimed(records, owned), owned, DONE, ttl_seconds=SHORT)
    assert {task.id, owned.id}.isdisjoint(record.id for record in await records.due(older_than_seconds=0))
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None
    assert (await records.create(Task("other", "cpu", idempotency_key="unawaited")))[0] is Submission.CREATED
    assert await state_of(records, owned) is State.SUCCEEDED


@pytest.mark.parametrize("reply_to", [None, "warren.reply.test"])
async def test_a_forgotten_record_is_due_if_its_task_says_so(records: Records, reply_to: str | None) -> None:
    task = Task("echo", "cpu", reply_to=reply_to)
    await records.finish(Lease(task.id, 7, 1), task, DONE, ttl_seconds=SHORT)
    assert (task.id in [record.id for record in await records.due(older_than_seconds=0)]) == bool(reply_to)
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None
    assert task.id not in [record.id for record in await records.due(older_than_seconds=0)]


async def test_a_reply_that_is_due_prolongs_no_life(records: Records) -> None:
    task = an_awaited_task()
    await records.finish(await claimed(records, task), task, DONE, ttl_seconds=SHORT)
    await records.settle(task.id, ttl_seconds=60, told=False)
    assert [record.id for record in await records.due(older_than_seconds=0)] == [task.id]
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None
    assert await records.due(older_than_seconds=0) == []


async def test_what_was_not_told_stays_due_while_its_life_runs_out(records: Records) -> None:
    task = an_awaited_task()
    await records.cancel(task.id, absent=task)
    await records.settle(task.id, ttl_seconds=SHORT, told=False)
    assert [record.id for record in await records.due(older_than_seconds=0)] == [task.id]
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None


async def test_what_is_due_goes_to_the_end_of_the_line_when_it_is_asked_for(records: Records) -> None:
    ids = [new_task_id() for _ in range(3)]
    for task_id in ids:
        await records.cancel(task_id, absent=Task("echo", "cpu", id=task_id))
        await asyncio.sleep(0.005)
    asked = []
    for _ in range(3):
        asked += [record.id for record in await records.due(older_than_seconds=0, limit=2)]
        await asyncio.sleep(0.005)
    assert asked[:3] == ids
    assert {*asked[3:5]} == {*ids[:2]}
    assert await records.due(older_than_seconds=60) == []


async def test_the_shorter_life_counts(records: Records) -> None:
    task = a_task()
    await records.finish(await claimed(records, task), task, DONE)
    for seconds in (60, SHORT, 60):
        await records.settle(task.id, ttl_seconds=seconds)
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None


async def test_an_owned_record_lives_until_it_is_disowned(records: Records) -> None:
    task = Task("train", "train-cpu", owner="mljob/ns/iris/uid")
    await records.finish(await claimed(records, task), task, DONE)
    await records.settle(task.id, ttl_seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is State.SUCCEEDED
    await records.disown(task.id, ttl_seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    assert await state_of(records, task) is None


async def test_what_is_due_and_gone_does_not_stand_before_others(records: Records) -> None:
    gone, kept = Task("train", "train-cpu", owner="mljob/z", reply_to="warren.reply.test"), an_awaited_task()
    for task in (gone, kept):
        await records.finish(await claimed(records, task), task, DONE)
        await asyncio.sleep(0.01)
    await records.disown(gone.id, ttl_seconds=SHORT)
    await asyncio.sleep(2 * SHORT)
    assert await records.due(older_than_seconds=0, limit=1) == []
    assert [record.id for record in await records.due(older_than_seconds=0, limit=1)] == [kept.id]


async def test_a_lease_that_was_given_back_can_write_nothing_more(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    assert await records.release(lease)
    assert await records.release(lease)
    assert not await records.finish(lease, task, DONE)
    assert not await records.retry(lease, task, TaskError(code="exception", message="x"), after_seconds=1)
    assert await records.renew(lease, task, "c1") is Renewal.LOST
    assert (await claimed(records, task, "c2")).attempt == 2


async def test_a_retry_asked_for_again_charges_once(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    for _ in range(2):
        assert await records.retry(lease, task, TaskError(code="exception", message="x"), after_seconds=60)
    assert not await records.finish(lease, task, DONE)
    [record] = await records.read([task.id])
    assert record
    assert (record.state, record.failures) == (State.RETRYING, 1)


@pytest.mark.parametrize("step", ["renew", "finish", "retry"])
async def test_a_forgotten_record_is_written_again_alike_by_every_step(records: Records, step: str) -> None:
    task, lease = a_task(), Lease("", 1_900_000_000_000_000, 2)
    lease = Lease(task.id, lease.fence, lease.attempt)
    if step == "renew":
        await records.renew(lease, task, "c1")
    elif step == "finish":
        await records.finish(lease, task, DONE)
    else:
        await records.retry(lease, task, TaskError(code="exception", message="x"), after_seconds=1)
    [record] = await records.read([task.id])
    assert record
    assert (record.attempt, record.fence, record.accepted, record.running_seconds) == (2, lease.fence, True, 0)
    assert record.started_at == record.submitted_at is not None


async def test_running_time_leaves_out_waiting(records: Records) -> None:
    task = a_task()
    lease = await claimed(records, task)
    await asyncio.sleep(SHORT)
    await records.release(lease)
    await asyncio.sleep(2 * SHORT)
    lease = await claimed(records, task)
    await asyncio.sleep(SHORT)
    await records.finish(lease, task, DONE)
    [record] = await records.read([task.id])
    assert record
    assert 2 * SHORT <= record.running_seconds < 3.5 * SHORT
