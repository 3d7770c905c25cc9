"""How a worker stops: what was not begun goes back at once, what is running may finish, the rest is handed back."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.consumer.stage import POOL, Stage, until
from warren.clock import Clock
from warren.record import Claim, State
from warren.records.memory import MemoryRecords
from warren.tasks import Payload
from warren_consumer.handler import Context
from warren_consumer.worker import Worker


async def drain(worker: Worker, *, finish: float = 5, hurry: asyncio.Event | None = None) -> None:
    await worker.stop()
    await worker.drain(finish_seconds=finish, hurry=hurry or asyncio.Event(), hand_back_seconds=1)


async def test_running_work_is_finished(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: len(stage.began) == 1)
    draining = asyncio.create_task(drain(worker))
    await until(lambda: not worker.consuming)
    assert not draining.done()
    stage.gate.set()
    await draining
    await running
    assert (await stage.record(task)).state is State.SUCCEEDED
    assert stage.empty


async def test_who_stops_has_no_slots_while_the_work_at_hand_goes_on(stage: Stage) -> None:
    """The autoscaler must not count on it any longer."""
    stage.knows_work()
    await stage.submit()
    worker = stage.worker(concurrency=2)
    running = asyncio.create_task(worker.run())
    value = stage.metrics.registry.get_sample_value
    await until(lambda: len(stage.began) == 1)
    assert value("warren_consumer_slots", {"pool": "cpu"}) == 2
    await worker.stop()
    assert value("warren_consumer_slots", {"pool": "cpu"}) == 0
    assert value("warren_consumer_running_tasks", {"pool": "cpu"}) == 1
    stage.gate.set()
    await worker.drain(finish_seconds=5, hurry=asyncio.Event(), hand_back_seconds=1)
    await running


async def test_what_was_not_begun_goes_back_at_once(stage: Stage) -> None:
    stage.knows_work()
    worker = stage.worker(concurrency=2)
    running = asyncio.create_task(worker.run())
    first = [await stage.submit(), await stage.submit()]
    await until(lambda: len(stage.began) == 2)
    # The broker put both back and delivers others first, while the work at hand goes on.
    for delivery in list(stage.queue.unacked):
        stage.queue.settle(delivery, requeue=True)
    stage.queue.ready.clear()
    waiting = await stage.submit()
    await until(lambda: waiting.id in worker.held)
    await worker.stop()
    assert [message.message_id for message, _ in stage.queue.ready] == [waiting.id]
    stage.gate.set()
    await worker.drain(finish_seconds=5, hurry=asyncio.Event(), hand_back_seconds=1)
    await running
    assert sorted(stage.ended) == sorted(task.id for task in first)
    assert (await stage.record(waiting)).state is State.QUEUED


class Slow(MemoryRecords):
    """A store that has claimed, and takes its time to say so."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.claimed = asyncio.Event()
        self.said = asyncio.Event()

    async def claim(self, *args: Any, **named: Any) -> Claim:
        claim = await super().claim(*args, **named)
        self.claimed.set()
        await self.said.wait()
        return claim


async def test_what_is_being_claimed_when_it_stops_is_done_in_that_attempt(stage: Stage) -> None:
    stage.records = records = Slow(stage.clock)
    stage.knows_work()
    stage.gate.set()
    task = await stage.submit()
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await records.claimed.wait()
    await worker.stop()
    records.said.set()
    await worker.drain(finish_seconds=5, hurry=asyncio.Event(), hand_back_seconds=1)
    await running
    record = await stage.record(task)
    assert (record.state, record.attempt, stage.ended) == (State.SUCCEEDED, 1, [task.id])
    assert stage.empty


async def test_what_is_claimed_when_there_is_no_more_time_goes_back_unbegun(stage: Stage) -> None:
    stage.records = records = Slow(stage.clock)
    stage.knows_work()
    task = await stage.submit()
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await records.claimed.wait()
    await worker.stop()
    draining = asyncio.create_task(worker.drain(finish_seconds=0, hurry=asyncio.Event(), hand_back_seconds=1))
    await asyncio.sleep(0.01)
    records.said.set()
    await draining
    await running
    record = await stage.record(task)
    assert (record.failures, stage.began) == (0, [])
    assert [message.message_id for message, _ in stage.queue.ready] == [task.id]


async def test_nothing_is_taken_after_stop(stage: Stage) -> None:
    stage.knows_work()
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.consuming)
    await drain(worker)
    await running
    await stage.submit()
    assert stage.began == []
    assert len(stage.queue.ready) == 1


async def test_work_that_does_not_end_in_time_is_handed_back_uncharged(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    worker = stage.worker("c1")
    running = asyncio.create_task(worker.run())
    await until(lambda: len(stage.began) == 1)
    await drain(worker, finish=0.01)
    await running
    record = await stage.record(task)
    assert stage.canceled == [task.id]
    assert (record.leased, record.failures, record.lapses, record.suspect) == (False, 0, 0, False)
    assert [message.message_id for message, _ in stage.queue.ready] == [task.id]
    stage.gate.set()
    async with stage.working("c2"):
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED


async def test_a_lease_is_handed_back_as_soon_as_the_store_answers_again(stage: Stage) -> None:
    """Let lapse, it would be charged to a task that was alone on its consumer: at the third time as poison."""
    stage.knows_work()
    task = await stage.submit()
    worker = stage.worker("c1", concurrency=1)
    running = asyncio.create_task(worker.run())
    await until(lambda: len(stage.began) == 1)
    stage.records.available = False
    draining = asyncio.create_task(drain(worker, finish=0.01))
    await until(lambda: bool(stage.canceled))
    stage.records.available = True
    await draining
    await running
    record = await stage.record(task)
    assert (record.leased, record.lapses) == (False, 0)
    assert [message.message_id for message, _ in stage.queue.ready] == [task.id]


async def test_a_second_signal_does_not_wait_for_work_to_finish(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    worker, hurry = stage.worker(), asyncio.Event()
    running = asyncio.create_task(worker.run())
    await until(lambda: len(stage.began) == 1)
    draining = asyncio.create_task(drain(worker, finish=60, hurry=hurry))
    await until(lambda: not worker.consuming)
    hurry.set()
    await asyncio.wait_for(draining, 2)
    await running
    assert stage.canceled == [task.id]
    assert len(stage.queue.ready) == 1


async def test_a_result_at_the_last_moment_counts(stage: Stage) -> None:
    started = asyncio.Event()

    async def handle(_: Context) -> Payload:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return Payload(b'"saved"')
        raise AssertionError

    stage.knows("saver", handle)
    task = await stage.submit("saver")
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await started.wait()
    await drain(worker, finish=0.01)
    await running
    assert (await stage.record(task)).result == b'"saved"'
    assert stage.empty


async def test_a_store_that_is_away_does_not_hold_up_the_end(stage: Stage) -> None:
    stage.knows_work()
    await stage.submit()
    worker = stage.worker()
    running = asyncio.create_task(worker.run())
    await until(lambda: len(stage.began) == 1)
    stage.records.available = False
    stage.gate.set()
    await until(lambda: len(stage.ended) == 1)
    await worker.stop()
    await worker.drain(finish_seconds=0.05, hurry=asyncio.Event(), hand_back_seconds=0.05)
    await running
    assert len(stage.broker.queues[POOL.queue].ready) == 1
