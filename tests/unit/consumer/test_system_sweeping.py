"""The system pool: open records whose time has come, orphans, and replies that are overdue."""

from __future__ import annotations

import pytest

from tests.unit.consumer.stage import POOL, REPLIES, until
from tests.unit.consumer.system_case import LONG, TTL, SystemCase, summary
from warren.broker.memory import MemoryBroker, MemoryQueue
from warren.record import State, TaskError
from warren.tasks import Task
from warren.topology import RESULTS, topology
from warren_consumer.depths.memory import MemoryDepths
from warren_consumer.system.emptiness import LONGEST_GAP_SECONDS, Emptiness
from warren_consumer.system.orphans import Orphans
from warren_consumer.system.overdue import AT_ONCE, OVERDUE_SECONDS


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


async def test_records_never_accepted_are_deleted(case: SystemCase) -> None:
    lost = Task("work", POOL.name)
    await case.records.create(lost)
    kept = await case.submit()
    case.advance(LONG)
    await case.sweeping.once()
    found = await case.records.read([lost.id, kept.id])
    assert [record and record.id for record in found] == [None, kept.id]
    assert case.counted("warren_system_records_total", "deleted") == 1


async def test_what_nobody_took_in_time_expires_and_is_told_at_once(case: SystemCase) -> None:
    task = await case.submit(expires_seconds=10)
    case.advance(9)
    await case.sweeping.once()
    assert case.replies == []
    case.advance(1.5)
    await case.sweeping.once()
    assert [reply.headers["warren-state"] for reply in case.replies] == ["expired"]
    assert await case.told() == ["task.expired.work"]
    assert (await case.record(task)).state is State.EXPIRED
    assert case.counted("warren_system_records_total", "expired") == 1
    await case.sweeping.once()
    case.advance(OVERDUE_SECONDS + 1)
    await case.overdue.once()
    assert len(case.replies) == 1


async def test_more_than_a_look_holds_are_all_seen_to(case: SystemCase) -> None:
    tasks = [Task("work", POOL.name) for _ in range(1001)]
    for task in tasks:
        await case.records.create(task)
    case.advance(LONG)
    await case.sweeping.once()
    assert await case.records.read([task.id for task in tasks]) == [None] * 1001


async def test_an_expired_task_that_cannot_be_told_of_is_told_of_later(case: SystemCase) -> None:
    await case.submit(expires_seconds=10)
    case.advance(11)
    case.broker.available = False
    await case.sweeping.once()
    case.broker.available = True
    case.advance(OVERDUE_SECONDS + 1)
    await case.overdue.once()
    assert [reply.headers["warren-state"] for reply in case.replies] == ["expired"]


async def test_a_task_whose_message_is_gone_is_lost(case: SystemCase) -> None:
    task = await case.accepted()
    await case.look_on(LONG)
    record = await case.record(task)
    assert summary(record) == ("failed", "lost")
    assert record.error is not None
    assert "purged" in record.error.message
    assert "submitted again" in record.error.message
    assert [reply.headers["warren-state"] for reply in case.replies] == ["failed"]
    assert await case.told() == ["task.failed.work"]
    assert case.counted("warren_system_records_total", "lost") == 1


async def test_a_task_is_not_lost_while_its_queue_holds_anything(case: SystemCase) -> None:
    other = await case.submit()
    task = await case.submit()
    case.queue.ready.pop()
    held = case.queue.pop()
    assert held.message.message_id == other.id
    await case.look_on(LONG)
    assert (await case.record(task)).state is State.QUEUED
    await held.ack()
    await case.look_on(235)
    assert (await case.record(task)).state is State.QUEUED
    await case.look_on(120)
    assert (await case.record(task)).state is State.FAILED


@pytest.mark.parametrize("queue", [POOL.due_queue, POOL.dead_letter_queue, RESULTS])
async def test_a_task_is_not_lost_while_its_message_may_lie_elsewhere(case: SystemCase, queue: str) -> None:
    task = await case.submit()
    message, _ = case.queue.ready.pop()
    case.broker.queues[queue].push(message)
    await case.look_on(LONG + 300)
    assert (await case.record(task)).state is State.QUEUED


async def test_a_task_is_not_lost_before_its_due_time(case: SystemCase) -> None:
    task = await case.submit(delay_seconds=1000)
    await case.look_on(1000)
    assert (await case.record(task)).state is State.QUEUED


async def test_a_task_is_not_lost_while_an_outage_may_have_made_its_message_late(case: SystemCase) -> None:
    task = await case.submit(delay_seconds=1000)
    await case.look_on(100)
    case.broker.available = False
    await case.look_on(2000)
    case.broker.available = True
    case.queue.ready.clear()  # RabbitMQ has it on the ladder yet: nearly all of the 1000 s may be ahead of it
    await case.look_on(1000)
    assert (await case.record(task)).state is State.QUEUED
    await case.look_on(500)
    assert summary(await case.record(task)) == ("failed", "lost")


async def test_a_retry_is_late_by_its_own_pause_at_most(case: SystemCase) -> None:
    task = await case.accepted()
    claim = await case.records.claim(task, "c1", alone=True)
    assert claim.lease is not None
    case.advance(2000)
    await case.records.renew(claim.lease, task, "c1")
    error = TaskError(code="exception", message="no luck")
    await case.records.retry(claim.lease, task, error, after_seconds=60)
    await case.look_on(290)
    assert (await case.record(task)).state is State.RETRYING
    await case.look_on(120)
    assert summary(await case.record(task)) == ("failed", "lost")


async def test_a_task_that_a_consumer_works_on_is_not_lost(case: SystemCase) -> None:
    task = await case.accepted()
    claim = await case.records.claim(task, "c1", alone=True)
    assert claim.lease is not None
    for _ in range(100):
        await case.look_on(20)
        await case.records.renew(claim.lease, task, "c1")
    assert (await case.record(task)).state is State.STARTED


async def test_figures_that_fail_are_not_empty(case: SystemCase) -> None:
    task = await case.accepted()
    await case.look_on(LONG - 60)
    case.broker.available = False
    await case.orphans.look()
    case.broker.available = True
    await case.look_on(235)
    assert (await case.record(task)).state is State.QUEUED


async def test_figures_that_stand_still_are_not_believed(case: SystemCase) -> None:
    task = await case.submit()
    elsewhere = MemoryDepths(MemoryBroker(topology([POOL])))
    orphans = Orphans(case.records, case.broker, elsewhere, [POOL], empty_seconds=0, now=case.clock.now)
    await orphans.look()
    assert await orphans.end([await case.record(task)]) == []
    case.queue.ready.clear()
    assert await orphans.end([await case.record(task)]) == [task.id]


async def test_a_task_that_changed_since_it_was_looked_at_is_not_ended(case: SystemCase) -> None:
    task = await case.accepted()
    await case.look_on(LONG - 10)
    stale = await case.record(task)
    await case.records.claim(task, "c1", alone=True)
    assert await case.orphans.end([stale]) == []
    assert (await case.record(task)).state is State.STARTED


def test_emptiness_is_broken_by_a_message_an_unknown_queue_and_a_gap() -> None:
    emptiness = Emptiness()
    for now in (100, 110, 120):
        emptiness.observe({"a": 0, "b": 0}, now)
    assert emptiness.seconds(["a", "b"], 125) == 25
    assert emptiness.seconds(["a", "unknown"], 125) == 0
    emptiness.observe({"a": 0, "b": 1}, 130)
    emptiness.observe({"b": 0}, 140)
    assert emptiness.seconds(["b"], 145) == 5
    emptiness.observe({"a": 0, "b": 0}, 150)
    assert emptiness.seconds(["a"], 155) == 5
    late = 150 + LONGEST_GAP_SECONDS + 1
    assert emptiness.seconds(["b"], late) == 0
    emptiness.observe({"b": 0}, late)
    assert emptiness.seconds(["b"], late) == 0


async def test_a_reply_that_is_overdue_is_sent_once(case: SystemCase) -> None:
    task = await case.submit()
    await case.records.cancel(task.id)
    await case.overdue.once()
    assert case.replies == []
    case.advance(OVERDUE_SECONDS + 1)
    await case.overdue.once()
    await case.overdue.once()
    assert [reply.message_id for reply in case.replies] == [task.id]


async def test_a_reply_that_is_sent_late_prolongs_no_life(case: SystemCase) -> None:
    case.knows_work()
    task = await case.submit()
    async with case.working():
        await until(lambda: bool(case.began))
        case.broker.available = False
        case.gate.set()
        await until(lambda: case.empty)
    case.broker.available = True
    case.advance(OVERDUE_SECONDS + 1)
    await case.overdue.once()
    assert [reply.message_id for reply in case.replies] == [task.id]
    case.advance(TTL - OVERDUE_SECONDS - 2)
    assert (await case.record(task)).state is State.SUCCEEDED
    case.advance(1)
    assert await case.records.read([task.id]) == [None]


@pytest.mark.parametrize("how", ["worked off", "canceled and worked off"])
async def test_a_reply_that_cannot_be_sent_is_due_no_longer_than_its_result_lives(case: SystemCase, how: str) -> None:
    case.knows_work()
    case.gate.set()
    case.broker.queues[REPLIES].full = True
    task = await case.submit()
    if how != "worked off":
        await case.records.cancel(task.id)
    async with case.working():
        await until(lambda: case.empty)
    for _ in range(3):
        case.advance(TTL / 3 - 1)
        await case.overdue.once()
    assert (await case.record(task)).state.terminal
    case.advance(3)
    assert await case.records.read([task.id]) == [None]
    assert await case.records.due(older_than_seconds=0) == []
    assert case.replies == []


async def test_a_reply_that_cannot_be_sent_is_given_up_and_the_message_still_finds_the_record(case: SystemCase) -> None:
    case.knows_work()
    case.broker.queues[REPLIES].full = True
    task = await case.submit(delay_seconds=2 * TTL)
    await case.records.cancel(task.id)
    for seconds in (TTL - 1, OVERDUE_SECONDS + 1):
        case.advance(seconds)
        await case.overdue.once()
    assert await case.records.due(older_than_seconds=0) == []
    case.advance(TTL)
    async with case.working():
        await until(lambda: case.empty)
    assert (await case.record(task)).state is State.CANCELED
    case.advance(TTL + 1)
    assert await case.records.read([task.id]) == [None], "its life was counted from the ack of its message"


async def test_replies_that_cannot_be_sent_keep_no_other_waiting(case: SystemCase) -> None:
    case.broker.queues["warren.reply.full"] = MemoryQueue()
    case.broker.queues["warren.reply.full"].full = True
    for _ in range(AT_ONCE + 20):
        stuck = Task("work", POOL.name, reply_to="warren.reply.full")
        await case.records.cancel(stuck.id, absent=stuck)
    task = await case.submit()
    await case.records.cancel(task.id)
    case.advance(OVERDUE_SECONDS + 1)
    for _ in range(2):
        await case.overdue.once()
    assert [reply.message_id for reply in case.replies] == [task.id]


async def test_a_canceled_task_on_the_ladder_finds_its_record_however_late_it_comes(case: SystemCase) -> None:
    case.knows_work()
    month = 30 * 24 * 3600
    task = await case.submit(delay_seconds=month)
    await case.records.cancel(task.id)
    case.advance(OVERDUE_SECONDS + 1)
    await case.overdue.once()
    case.advance(month)
    async with case.working():
        await until(lambda: case.empty)
    assert case.began == []
    assert (await case.record(task)).state is State.CANCELED
