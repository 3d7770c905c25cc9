"""The system pool: sweeping, overdue replies, dead letters."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.consumer.stage import POOL, Stage, until
from warren.broker.memory import MemoryDelivery
from warren.message import Message, encode_task
from warren.record import Outcome, Record, State
from warren.tasks import Task
from warren_consumer.closing import REASON_HEADER
from warren_consumer.replies import Replies
from warren_consumer.system.dead_letters import DeadLetters
from warren_consumer.system.duties import Duties
from warren_consumer.system.overdue import OVERDUE_SECONDS, Overdue
from warren_consumer.system.sweeping import UNACCEPTED_SECONDS, Sweeping

TTL = 3600.0
WENT_ROUND = {"x-death": [{"reason": "delivery_limit", "count": 1}], "x-delivery-count": 1000}
REFUSED = {"x-death": [{"reason": "rejected", "count": 1}]}


def dead_letters(stage: Stage) -> DeadLetters:
    return DeadLetters(
        stage.broker, stage.records, Replies(stage.broker, stage.records), consumer="system", result_ttl_seconds=TTL
    )


def overdue(stage: Stage) -> Overdue:
    return Overdue(stage.records, Replies(stage.broker, stage.records), result_ttl_seconds=TTL)


async def take(stage: Stage, message: Message) -> MemoryDelivery:
    """Let the system pool see to a message in the dead-letter queue."""
    queue = stage.broker.queues[POOL.dead_letter_queue]
    queue.push(message)
    delivery = queue.pop()
    await dead_letters(stage).take(delivery, POOL)
    assert not queue.ready
    assert not queue.unacked
    return delivery


def with_headers(task: Task, headers: dict[str, Any]) -> Message:
    message = encode_task(task)
    return Message(
        message.body,
        message.content_type,
        message.message_id,
        message.type,
        message.correlation_id,
        message.reply_to,
        message.priority,
        {**message.headers, **headers},
    )


async def test_records_never_accepted_are_swept(stage: Stage) -> None:
    lost = Task("work", POOL.name)
    await stage.records.create(lost)
    kept = await stage.submit()
    stage.advance(UNACCEPTED_SECONDS + 1)
    await Sweeping(stage.records).once()
    found = await stage.records.read([lost.id, kept.id])
    assert [record and record.id for record in found] == [None, kept.id]


async def test_a_reply_that_is_overdue_is_sent_once(stage: Stage) -> None:
    task = await stage.submit()
    await stage.records.cancel(task.id)
    await overdue(stage).once()
    assert stage.replies == []
    stage.advance(OVERDUE_SECONDS + 1)
    await overdue(stage).once()
    await overdue(stage).once()
    assert [reply.message_id for reply in stage.replies] == [task.id]


async def test_a_canceled_task_on_the_ladder_finds_its_record_however_late_it_comes(stage: Stage) -> None:
    stage.knows_work()
    month = 30 * 24 * 3600
    task = await stage.submit(delay_seconds=month)
    await stage.records.cancel(task.id)
    stage.advance(OVERDUE_SECONDS + 1)
    await overdue(stage).once()
    stage.advance(month)
    async with stage.working():
        await until(lambda: stage.empty)
    assert stage.began == []
    assert (await stage.record(task)).state is State.CANCELED


async def test_a_message_that_went_round_too_often_is_published_again_unmarked(stage: Stage) -> None:
    task = Task("work", POOL.name)
    await take(stage, with_headers(task, WENT_ROUND))
    ((message, _),) = stage.queue.ready
    assert message == encode_task(task)


async def test_a_dead_letter_of_a_task_that_ended_is_done(stage: Stage) -> None:
    task = await stage.submit()
    stage.queue.ready.clear()
    await stage.records.cancel(task.id)
    await take(stage, with_headers(task, WENT_ROUND))
    assert stage.empty
    assert len(stage.replies) == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (REFUSED, "rejected"),
        ({REASON_HEADER: "the header warren-timeout-seconds is not valid"}, "invalid-message"),
    ],
)
async def test_a_message_that_was_refused_ends_as_a_failed_record(
    stage: Stage, headers: dict[str, Any], code: str
) -> None:
    task = Task("work", POOL.name, reply_to="warren.reply.test")
    await take(stage, with_headers(task, headers))
    record = await stage.record(task)
    assert record.error is not None
    assert (record.state, record.error.code, record.payload) == (State.FAILED, code, b"{}")
    assert [reply.headers["warren-state"] for reply in stage.replies] == ["failed"]


async def test_a_refused_message_of_a_task_at_work_is_published_again(stage: Stage) -> None:
    task = await stage.submit()
    stage.queue.ready.clear()
    await stage.records.claim(task, "c1", alone=False)
    await take(stage, with_headers(task, REFUSED))
    assert len(stage.queue.ready) == 1
    assert (await stage.record(task)).state is State.STARTED


async def test_a_message_without_a_name_gets_a_record_of_its_own(stage: Stage) -> None:
    written: list[Record] = []
    finish = stage.records.finish

    async def noting(lease: Any, task: Task, outcome: Outcome) -> bool:
        finished = await finish(lease, task, outcome)
        written.extend(record for record in await stage.records.read([task.id]) if record)
        return finished

    stage.records.finish = noting  # type: ignore[method-assign]
    await take(stage, Message(b"what?", content_type=""))
    (record,) = written
    assert (record.state, record.name, record.payload) == (State.FAILED, "unknown", b"what?")
    assert record.error is not None
    assert "message_id" in record.error.message


async def test_all_duties_run_side_by_side_until_they_are_stopped(stage: Stage) -> None:
    late = await stage.submit()
    await stage.records.cancel(late.id)
    stage.advance(OVERDUE_SECONDS + 1)
    refused = Task("work", POOL.name)
    stage.broker.queues[POOL.dead_letter_queue].push(with_headers(refused, REFUSED))
    duties = Duties(Sweeping(stage.records), overdue(stage), dead_letters(stage), [POOL])
    running = asyncio.create_task(duties.run())
    await until(lambda: bool(stage.replies))
    await until(
        lambda: (
            not stage.broker.queues[POOL.dead_letter_queue].unacked
            and not stage.broker.queues[POOL.dead_letter_queue].ready
        )
    )
    assert duties.consuming
    await duties.stop()
    await duties.drain(finish_seconds=0, hurry=asyncio.Event(), hand_back_seconds=1)
    await running
    assert not duties.consuming
    assert (await stage.record(refused)).state is State.FAILED


async def test_a_store_that_is_away_does_not_end_the_duties(stage: Stage) -> None:
    duties = Duties(Sweeping(stage.records), overdue(stage), dead_letters(stage), [POOL])
    stage.records.available = False
    running = asyncio.create_task(duties.run())
    await asyncio.sleep(0.02)
    assert duties.consuming
    await duties.stop()
    await running
