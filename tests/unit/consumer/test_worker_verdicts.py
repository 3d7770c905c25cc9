"""What the worker does with a delivery, for every verdict of the record store."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.consumer.stage import POOL, Stage, crowded, nothing_happens, until
from warren.message import Message, encode_task
from warren.record import Claim, Lease, Outcome, Progress, State, TaskError, Verdict
from warren.records import LEASE_SECONDS
from warren.records.memory import MemoryRecords
from warren.tasks import Task, TaskOptions
from warren.topology import RESULTS, TASKS
from warren_consumer.slots import ALONE_AGAIN_SECONDS, ROOM_SECONDS
from warren_consumer.worker import HOPS_HEADER, MAX_HOPS, MAX_SURPRISES, SURPRISE_PAUSE_SECONDS


async def test_a_claimed_task_ends_once_with_reply_and_ack(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: stage.began == [task.id])
        assert (await stage.record(task)).state is State.STARTED
        stage.gate.set()
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert (record.state, record.result, record.attempt) == (State.SUCCEEDED, b'"done"', 1)
    assert [(reply.message_id, reply.body) for reply in stage.replies] == [(task.id, b'"done"')]
    assert await stage.records.due(older_than_seconds=0) == []


async def test_a_settled_record_lives_for_its_time_only(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: stage.empty)
    stage.advance(3601)
    assert await stage.records.read([task.id]) == [None]


async def test_a_redelivery_of_work_at_hand_is_adopted(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: len(stage.began) == 1)
        stage.redeliver()
        stage.queue.changed.set()
        await until(lambda: not stage.queue.ready)
        await nothing_happens()
        stage.gate.set()
        await until(lambda: stage.empty)
    assert stage.began == [task.id]
    assert (await stage.record(task)).attempt == 1


async def test_a_second_message_of_work_at_hand_takes_no_slot(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working(concurrency=2):
        await until(lambda: len(stage.began) == 1)
        await stage.broker.publish(encode_task(task), exchange=TASKS, routing_key=POOL.name)
        await until(lambda: not stage.queue.ready and len(stage.queue.unacked) == 1)
        stage.gate.set()
        await until(lambda: stage.empty)
    assert stage.began == [task.id]


async def test_a_claim_whose_answer_was_lost_goes_on_under_the_same_lease(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    claim = await stage.records.claim(task, "c1", alone=False)
    async with stage.working("c1"):
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert claim.lease is not None
    assert (record.state, record.attempt, record.fence) == (State.SUCCEEDED, 1, claim.lease.fence)


async def test_an_ended_task_is_told_and_acked_but_not_executed(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    await stage.records.cancel(task.id)
    async with stage.working():
        await until(lambda: stage.empty)
    assert stage.began == []
    assert [reply.headers["warren-state"] for reply in stage.replies] == ["canceled"]


@pytest.mark.parametrize("queue", [POOL.queue, POOL.due_queue, POOL.dead_letter_queue, RESULTS])
async def test_a_reply_that_would_be_taken_for_a_task_is_not_sent(stage: Stage, queue: str) -> None:
    stage.knows_work()
    stage.gate.set()
    message = Message(b"{}", message_id="m1", type="work", reply_to=queue)
    async with stage.working():
        await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
        await until(lambda: stage.ended == ["m1"] and stage.empty)
    assert not stage.broker.queues[queue].ready
    assert not await stage.records.due(older_than_seconds=0)


async def test_an_expired_task_ends_as_expired(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit(expires_seconds=5)
    stage.advance(6)
    async with stage.working():
        await until(lambda: stage.empty)
    assert stage.began == []
    assert (await stage.record(task)).state is State.EXPIRED
    assert [reply.headers["warren-state"] for reply in stage.replies] == ["expired"]


@pytest.mark.parametrize("deadline", [0, 0.0001, 1])
async def test_a_deadline_of_the_epoch_itself_is_past(stage: Stage, deadline: float) -> None:
    stage.knows_work()
    task = Task("work", POOL.name, deadline=deadline)
    await stage.broker.publish(encode_task(task), exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: stage.empty)
    assert stage.began == []
    assert (await stage.record(task)).state is State.EXPIRED


async def test_a_held_task_is_acked_and_runs_when_it_is_published_again(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    await stage.records.hold(task.id, held=True)
    async with stage.working():
        await until(lambda: stage.empty)
        assert stage.began == []
        await stage.records.hold(task.id, held=False)
        await stage.broker.publish(encode_task(task), exchange=TASKS, routing_key=POOL.name)
        await until(lambda: stage.ended == [task.id])


async def test_a_task_that_is_not_due_is_put_back_for_the_rest(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit(delay_seconds=60)
    early = stage.broker.delayed[0][1]
    await stage.broker.publish(early, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: len(stage.broker.delayed) == 2)
        assert [round(wait) for wait, _ in stage.broker.delayed] == [60, 60]
        assert stage.began == []
        stage.advance(60)
        await until(lambda: stage.empty)
    assert stage.ended == [task.id]


async def test_a_task_leased_by_another_is_put_back_unchanged_but_for_the_brokers_notes(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    await stage.records.claim(task, "other", alone=False)
    message, _ = stage.queue.ready.popleft()
    noted = Message(
        message.body,
        message.content_type,
        message.message_id,
        message.type,
        message.correlation_id,
        message.reply_to,
        message.priority,
        {**message.headers, "x-death": [{"count": 3}], "x-delivery-count": 3, "x-mine": "kept"},
    )
    stage.queue.push(noted)
    async with stage.working():
        await until(lambda: len(stage.broker.delayed) == 1)
        wait, again = stage.broker.delayed[0]
    assert round(wait) == LEASE_SECONDS
    assert dict(again.headers) == {**message.headers, "x-mine": "kept"}
    assert (again.body, again.message_id, again.reply_to) == (message.body, message.message_id, message.reply_to)
    assert stage.began == []


async def lapse(stage: Stage, task: Task, *, alone: bool) -> None:
    """Claim a task as a consumer that dies of it."""
    claim = await stage.records.claim(task, "dead", alone=alone)
    assert claim.verdict is Verdict.CLAIMED
    stage.advance(LEASE_SECONDS + 1)


async def test_a_suspect_runs_when_nothing_else_does_and_nothing_else_while_it_runs(stage: Stage) -> None:
    stage.knows_work()
    stage.knows_work("suspect")
    first = await stage.submit()
    async with stage.working(concurrency=3):
        await until(lambda: stage.began == [first.id])
        suspect = Task("suspect", POOL.name)
        await lapse(stage, suspect, alone=False)
        await stage.broker.publish(encode_task(suspect), exchange=TASKS, routing_key=POOL.name)
        await nothing_happens()
        later = await stage.submit()
        await nothing_happens()
        assert stage.began == [first.id]
        stage.gate.set()
        await until(lambda: stage.began == [first.id, suspect.id])
        await nothing_happens()
        assert stage.began == [first.id, suspect.id]
        stage.gates["suspect"].set()
        await until(lambda: stage.empty)
    assert stage.ended == [first.id, suspect.id, later.id]


async def test_a_stream_of_tasks_does_not_starve_a_suspect(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    suspect = Task("work", POOL.name)
    await lapse(stage, suspect, alone=False)
    await stage.broker.publish(encode_task(suspect), exchange=TASKS, routing_key=POOL.name)
    for _ in range(200):
        await stage.submit()
    async with stage.working(concurrency=4):
        await until(lambda: stage.empty)
    assert stage.began.index(suspect.id) < 20
    assert len(stage.ended) == 201


async def test_a_suspect_beside_a_long_task_leaves_the_slots_to_others_and_comes_again(
    stage: Stage, hurry: None
) -> None:
    stage.knows_work()
    for name in ("suspect", "short"):
        stage.knows_work(name)
        stage.gates[name].set()
    long, suspect = await stage.submit(), Task("suspect", POOL.name)
    async with stage.working(concurrency=3):
        await until(lambda: stage.began == [long.id])
        await lapse(stage, suspect, alone=False)
        await stage.broker.publish(encode_task(suspect), exchange=TASKS, routing_key=POOL.name)
        await until(lambda: len(stage.queue.unacked) == 2)
        short = await stage.submit("short")
        came = time.monotonic()
        await _delayed(stage)
        assert time.monotonic() - came == pytest.approx(ROOM_SECONDS, abs=2)
        [(pause, _)] = stage.broker.delayed
        assert round(pause) == ALONE_AGAIN_SECONDS
        await until(lambda: stage.ended == [short.id])
        stage.gate.set()
        await until(lambda: len(stage.ended) == 2)
        stage.advance(pause)
        await until(lambda: stage.empty)
    assert stage.ended == [short.id, long.id, suspect.id]


async def test_what_waits_behind_a_task_that_is_alone_is_left_to_others(stage: Stage, hurry: None) -> None:
    stage.knows_work()
    stage.knows_work("suspect")
    stage.gate.set()
    suspect = Task("suspect", POOL.name)
    await lapse(stage, suspect, alone=False)
    await stage.broker.publish(encode_task(suspect), exchange=TASKS, routing_key=POOL.name)
    async with stage.working("c1", concurrency=2):
        await until(lambda: stage.began == [suspect.id])
        task = await stage.submit()
        await until(lambda: len(stage.queue.unacked) == 2)
        async with stage.working("c2", concurrency=1):
            came = time.monotonic()
            await _delayed(stage)
            assert time.monotonic() - came == pytest.approx(ROOM_SECONDS, abs=2)
            stage.advance(1)
            await until(lambda: stage.ended == [task.id] or len(stage.queue.unacked) == 2)
        stage.gates["suspect"].set()
        await until(lambda: stage.empty)


async def _delayed(stage: Stage) -> None:
    """Wait until a message is put back, in steps that can be hurried."""
    async with asyncio.timeout(60):
        while not stage.broker.delayed:  # noqa: ASYNC110 - it knows nothing of the test
            await asyncio.sleep(0.5)


async def test_three_lapses_alone_end_a_task_as_poison_with_a_reply(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    for _ in range(3):
        await lapse(stage, task, alone=True)
    async with stage.working():
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert (record.state, record.error and record.error.code) == (State.FAILED, "poison")
    assert [reply.headers["warren-state"] for reply in stage.replies] == ["failed"]
    assert stage.began == []


async def test_an_unknown_task_is_given_to_others_first_and_then_ends_as_unroutable(stage: Stage) -> None:
    stage.knows_work("known")
    task = await stage.submit("unknown")
    waits = []
    async with stage.working():
        for _ in range(MAX_HOPS):
            await until(lambda: len(stage.broker.delayed) == 1)
            wait, message = stage.broker.delayed[0]
            waits.append((round(wait), message.headers[HOPS_HEADER]))
            stage.advance(wait)
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert waits == [(1, 1), (2, 2), (4, 3), (8, 4), (16, 5)]
    assert record.error is not None
    assert (record.state, record.error.code) == (State.FAILED, "unroutable")
    assert "'unknown'" in record.error.message
    assert "known" in record.error.message


async def test_a_message_that_is_no_task_goes_to_the_dead_letters_with_the_reason(stage: Stage) -> None:
    await stage.broker.publish(Message(b"what?"), exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: stage.empty)
    ((message, _),) = stage.broker.queues[POOL.dead_letter_queue].ready
    assert message.body == b"what?"
    assert "message_id" in message.headers["warren-reason"]


class Faulty(MemoryRecords):
    """A store whose adapter has a bug."""

    async def finish(self, lease: Lease, task: Task, *_: object, **__: object) -> float | None:  # noqa: ARG002 - it fails at once
        raise ZeroDivisionError(task.name)


async def test_a_fault_of_the_worker_itself_runs_a_task_a_few_times_and_no_more(stage: Stage) -> None:
    stage.records = Faulty(stage.clock)
    stage.knows_work()
    stage.gate.set()
    await stage.submit()
    async with stage.working():
        for _ in range(MAX_SURPRISES):
            await until(lambda: bool(stage.broker.delayed or stage.dead))
            stage.advance(SURPRISE_PAUSE_SECONDS + 1)
            await until(lambda: not stage.queue.ready)
        await until(lambda: bool(stage.dead))
        await nothing_happens()
    assert len(stage.began) == MAX_SURPRISES
    (dead,) = stage.dead
    assert "ZeroDivisionError('work')" in dead.headers["warren-reason"]
    assert dead.headers["warren-reason-code"] == "internal"


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_message_that_has_no_room_for_another_header_ends_and_takes_no_slot(
    stage: Stage, concurrency: int
) -> None:
    stage.knows_work()
    stage.gate.set()
    full = [
        crowded(encode_task(Task("unknown", POOL.name, options=TaskOptions(max_attempts=attempts))))
        for attempts in (3, 4)
    ]
    for message in full:
        await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    task = await stage.submit()
    async with stage.working(concurrency=concurrency):
        await until(lambda: stage.ended == [task.id])
        await until(lambda: stage.empty)
    assert [dead.message_id for dead in stage.dead] == [message.message_id for message in full]
    assert [dead.headers["warren-reason-code"] for dead in stage.dead] == ["internal", "internal"]
    assert ["author" in dead.headers for dead in stage.dead] == [False, False]
    assert [dead.headers["warren-max-attempts"] for dead in stage.dead] == [3, 4]


@pytest.mark.parametrize("header", ["warren-protocol", "warren-deadline"])
async def test_a_message_whose_fault_is_long_is_buried_with_a_short_reason(stage: Stage, header: str) -> None:
    message = replace(encode_task(Task("work", POOL.name)), headers={header: "y" * 66_000})
    await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: stage.empty)
    (dead,) = stage.dead
    assert dead.headers[header] == message.headers[header]
    assert f"{header} is" in dead.headers["warren-reason"]
    assert len(dead.headers["warren-reason"]) < 1100


async def test_a_text_that_is_not_utf8_travels_with_its_task(stage: Stage) -> None:
    message = replace(encode_task(Task("unknown", POOL.name)), headers={"author": b"Ren\xe9"})
    await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: bool(stage.broker.delayed))
    ((_, again),) = stage.broker.delayed
    assert again.headers == {"author": b"Ren\xe9", HOPS_HEADER: 1}


async def test_hops_that_a_client_made_up_are_not_owed_to_it(stage: Stage) -> None:
    stage.knows_work("known")
    message = replace(encode_task(Task("unknown", POOL.name)), headers={HOPS_HEADER: -1000})
    await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: bool(stage.broker.delayed))
    ((_, again),) = stage.broker.delayed
    assert again.headers[HOPS_HEADER] == 1


@pytest.mark.parametrize("name", ["x" * 250, "two.words", "line\nbreak", ""])
async def test_a_message_whose_type_cannot_be_a_tasks_name_goes_to_the_dead_letters(stage: Stage, name: str) -> None:
    message = replace(encode_task(Task("work", POOL.name)), type=name)
    await stage.broker.publish(message, exchange=TASKS, routing_key=POOL.name)
    async with stage.working():
        await until(lambda: stage.empty)
    ((dead, _),) = stage.broker.queues[POOL.dead_letter_queue].ready
    assert "name" in dead.headers["warren-reason"]


async def test_events_that_wait_keep_no_results(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: stage.empty)
    record = await stage.record(task)
    tracemalloc.start()
    for _ in range(20):
        stage.events.tell(record.model_copy(update={"result": bytes(1_000_000), "payload": bytes(1_000_000)}))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000_000


@pytest.mark.usefixtures("hurry")
async def test_a_store_that_is_away_holds_up_claims_but_loses_nothing(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    stage.records.available = False
    async with stage.working():
        await nothing_happens(0.1)
        assert stage.began == []
        stage.records.available = True
        await until(lambda: stage.empty)
    assert stage.ended == [task.id]


async def test_a_heartbeat_prolongs_the_lease_and_carries_the_progress(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        worker.held[task.id].report(Progress(fraction=0.5, message="half"))
        for _ in range(5):
            stage.advance(LEASE_SECONDS - 1)
            await worker.beat()
        record = await stage.record(task)
    assert record.leased
    assert record.progress == Progress(fraction=0.5, message="half")


async def test_heartbeats_that_cannot_be_sent_do_not_stop_the_work(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        stage.records.available = False
        await worker.beat()
        stage.advance(LEASE_SECONDS + 1)
        stage.records.available = True
        await worker.beat()
        stage.gate.set()
        await until(lambda: stage.empty)
    assert (await stage.record(task)).attempt == 1
    assert stage.ended == [task.id]


async def test_a_canceled_task_is_stopped_told_and_acked(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await stage.records.cancel(task.id)
        await worker.beat()
        await until(lambda: stage.empty)
    assert stage.canceled == [task.id]
    assert (await stage.record(task)).state is State.CANCELED
    assert [reply.headers["warren-state"] for reply in stage.replies] == ["canceled"]


async def test_work_that_another_took_over_is_stopped_and_its_end_is_not_written(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working("c1") as worker:
        await until(lambda: len(stage.began) == 1)
        stage.advance(LEASE_SECONDS + 1)
        other = await stage.records.claim(task, "c2", alone=True)
        assert other.lease is not None
        await worker.beat()
        await until(lambda: bool(stage.broker.delayed))
        assert await stage.records.finish(other.lease, task, Outcome(State.SUCCEEDED, result=b"2"))
    assert stage.canceled == [task.id]
    assert (await stage.record(task)).result == b"2"
    assert stage.replies == []


async def test_an_end_that_comes_too_late_is_dropped(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working("c1"):
        await until(lambda: len(stage.began) == 1)
        stage.advance(LEASE_SECONDS + 1)
        claim = await stage.records.claim(task, "c2", alone=True)
        stage.gate.set()
        await until(lambda: bool(stage.broker.delayed))
    record = await stage.record(task)
    assert claim.lease == Lease(task.id, record.fence, record.attempt)
    assert record.state is State.STARTED
    assert stage.replies == []


async def test_suspended_work_is_handed_back_and_acked_by_the_next_claim(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await stage.records.hold(task.id, held=True)
        await worker.beat()
        await until(lambda: bool(stage.broker.delayed))
        stage.advance(1)
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert stage.canceled == [task.id]
    assert (record.leased, record.failures, record.held) == (False, 0, True)


async def test_work_that_is_resumed_while_it_is_handed_back_goes_on(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await stage.records.hold(task.id, held=True)
        await worker.beat()
        await resume(stage, task)
        await until(lambda: bool(stage.broker.delayed))
        stage.gate.set()
        stage.advance(1)
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED


async def test_a_task_that_is_resumed_while_its_claim_is_answered_goes_on(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    await stage.records.hold(task.id, held=True)
    claim, asked, answer = stage.records.claim, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **named: Any) -> Claim:
        said = await claim(*args, **named)
        asked.set()
        await answer.wait()
        return said

    stage.records.claim = slow  # type: ignore[method-assign]
    async with stage.working():
        await asked.wait()
        await resume(stage, task)
        await until(lambda: not stage.queue.ready)
        answer.set()
        await until(lambda: bool(stage.broker.delayed))
        stage.advance(1)
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED


async def resume(stage: Stage, task: Task) -> None:
    """Do what the operator does when an MLJob is no longer suspended."""
    await stage.records.hold(task.id, held=False)
    await stage.broker.publish(encode_task(task), exchange=TASKS, routing_key=POOL.name)


@pytest.mark.parametrize("handed_back", [True, False])
async def test_a_thawed_consumer_does_not_ack_what_another_has_put_back(stage: Stage, *, handed_back: bool) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working("frozen") as worker:
        await until(lambda: len(stage.began) == 1)
        # Its connection is lost and its lease lapses; another consumer claims, and does not end the task.
        stage.redeliver()
        stage.queue.ready.clear()
        stage.advance(LEASE_SECONDS + 1)
        claim = await stage.records.claim(task, "other", alone=True)
        assert claim.lease is not None
        if handed_back:
            await stage.records.release(claim.lease)
        else:
            error = TaskError(code="exception", message="no luck")
            await stage.records.retry(claim.lease, task, error, after_seconds=1)
        # The message that the other has put back comes to the thawed one, which still believes to hold the task.
        await stage.broker.publish(encode_task(task), exchange=TASKS, routing_key=POOL.name)
        await until(lambda: not stage.queue.ready)
        await worker.beat()
        await until(lambda: bool(stage.broker.delayed))
        stage.gate.set()
        stage.advance(2)
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED


async def test_a_message_that_the_broker_has_put_back_itself_is_not_published_again(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working("frozen") as worker:
        await until(lambda: len(stage.began) == 1)
        stage.redeliver()
        stage.queue.ready.clear()
        stage.advance(LEASE_SECONDS + 1)
        await stage.records.claim(task, "other", alone=True)
        await worker.beat()
        await until(lambda: not worker.held)
    assert stage.empty
