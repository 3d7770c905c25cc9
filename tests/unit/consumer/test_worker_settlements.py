"""What becomes of an attempt, for every way in which it can end."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.consumer.stage import Stage, Work, until
from warren.record import State
from warren.tasks import Payload
from warren_consumer.handler import Context, TaskFault


def fails(fault: BaseException, times: int = 1000) -> tuple[list[int], Work]:
    """Return the attempts that were made, and a handler that fails so often and then succeeds."""
    attempts: list[int] = []

    async def handle(context: Context) -> Payload:
        attempts.append(context.attempt)
        if len(attempts) <= times:
            raise fault
        return Payload(b'"at last"')

    return attempts, handle


async def run_through(stage: Stage, seconds: float = 2000) -> None:
    """Work until nothing is left, letting the time of each delay pass."""
    async with stage.working():
        for _ in range(1000):
            await until(lambda: stage.empty or bool(stage.broker.delayed))
            if stage.empty:
                return
            stage.advance(seconds)
    raise AssertionError


async def test_a_failed_attempt_is_retried_until_it_works(stage: Stage) -> None:
    attempts, handle = fails(ValueError("no luck"), times=2)
    stage.knows("flaky", handle, max_attempts=5)
    task = await stage.submit("flaky")
    await run_through(stage)
    record = await stage.record(task)
    assert attempts == [1, 2, 3]
    assert (record.state, record.failures, record.attempt) == (State.SUCCEEDED, 2, 3)
    assert record.error is None
    assert len(stage.replies) == 1


async def test_a_retry_waits_for_its_time(stage: Stage) -> None:
    attempts, handle = fails(ValueError("no luck"), times=1)
    stage.knows("flaky", handle, max_attempts=2)
    task = await stage.submit("flaky")
    async with stage.working():
        await until(lambda: bool(stage.broker.delayed))
        record = await stage.record(task)
        wait = stage.broker.delayed[0][0]
        assert record.state is State.RETRYING
        assert record.due_at is not None
        assert 1 <= record.due_at - stage.clock.now() <= wait <= 3
        assert attempts == [1]


async def test_the_last_attempt_ends_the_task_with_its_error_and_payload(stage: Stage) -> None:
    attempts, handle = fails(ValueError("no luck"))
    stage.knows("flaky", handle, max_attempts=5)
    task = await stage.submit("flaky", b'{"n": 1}', max_attempts=2)
    await run_through(stage)
    record = await stage.record(task)
    assert attempts == [1, 2]
    assert record.error is not None
    assert (record.state, record.error.code, record.error.message) == (State.FAILED, "exception", "ValueError: no luck")
    assert record.error.traceback is not None
    assert "in handle" in record.error.traceback
    assert record.payload == b'{"n": 1}'
    assert stage.replies[0].headers["warren-state"] == "failed"
    assert b"no luck" in stage.replies[0].body


async def test_a_fault_that_cannot_mend_ends_the_task_at_once(stage: Stage) -> None:
    attempts, handle = fails(TaskFault("dataset-not-found", "there is no s3://warren/iris.csv"))
    stage.knows("train", handle, max_attempts=5)
    task = await stage.submit("train")
    await run_through(stage)
    record = await stage.record(task)
    assert attempts == [1]
    assert record.error is not None
    assert (record.error.code, record.error.traceback) == ("dataset-not-found", None)


async def test_an_exception_that_is_not_declared_ends_the_task_at_once(stage: Stage) -> None:
    attempts, handle = fails(ValueError("wrong"))
    stage.knows("picky", handle, max_attempts=5, retry_on=(OSError,))
    await stage.submit("picky")
    await run_through(stage)
    assert attempts == [1]


class UnshowableError(Exception):
    """As a broken class of a task's own may be."""

    def __repr__(self) -> str:
        """Fail."""
        raise AttributeError


async def test_an_exception_that_cannot_be_shown_is_a_failure_like_any_other(stage: Stage) -> None:
    attempts, handle = fails(UnshowableError("boom"))
    stage.knows("broken", handle, max_attempts=1)
    task = await stage.submit("broken")
    await run_through(stage)
    record = await stage.record(task)
    assert (attempts, record.state, stage.dead) == ([1], State.FAILED, [])
    assert record.error is not None
    assert (record.error.code, record.error.message) == ("exception", "UnshowableError: boom")


async def test_a_task_past_its_time_limit_is_stopped_and_fails(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit(timeout_seconds=0.02)
    async with stage.working():
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert record.error is not None
    assert (record.state, record.error.code) == (State.FAILED, "timeout")
    assert "0.02 s" in record.error.message
    assert stage.canceled == [task.id]


async def test_a_message_is_acked_only_when_its_retry_is_published(stage: Stage) -> None:
    async def handle(_: Context) -> Payload:
        stage.broker.available = False
        raise ValueError

    stage.knows("flaky", handle, max_attempts=2)
    task = await stage.submit("flaky")
    async with stage.working():
        await until(lambda: not stage.broker.available)
        await asyncio.sleep(0.02)
        assert (await stage.record(task)).state is State.RETRYING
        assert [delivery.message.message_id for delivery in stage.queue.unacked] == [task.id]
        stage.broker.available = True
        await until(lambda: bool(stage.broker.delayed))
        await until(lambda: not stage.queue.unacked)


async def test_a_retry_that_comes_back_before_its_message_is_acked_is_not_acked_with_it(stage: Stage) -> None:
    attempts, handle = fails(ValueError("no luck"), times=1)
    stage.knows("flaky", handle, max_attempts=2)
    task = await stage.submit("flaky")
    publish, confirm = stage.broker.publish, asyncio.Event()

    async def slow(*args: Any, **named: Any) -> None:
        await publish(*args, **named)
        await confirm.wait()

    stage.broker.publish = slow  # type: ignore[method-assign]
    async with stage.working():
        await until(lambda: bool(stage.broker.delayed))
        # The process stands still for longer than the retry waits: the message is here before the confirm is read.
        stage.advance(60)
        await until(lambda: not stage.queue.ready)
        confirm.set()
        await until(lambda: bool(stage.broker.delayed))
        stage.advance(1)
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED
    assert attempts == [1, 2]


async def test_a_timeout_is_retried_while_attempts_are_left(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit(timeout_seconds=0.02, max_attempts=2)
    await run_through(stage)
    assert stage.began == [task.id, task.id]
    assert (await stage.record(task)).failures == 1


async def test_a_timeout_error_of_the_handlers_own_is_no_time_limit(stage: Stage) -> None:
    _, handle = fails(TimeoutError("the other side is slow"))
    stage.knows("call", handle)
    task = await stage.submit("call")
    await run_through(stage)
    record = await stage.record(task)
    assert record.error is not None
    assert record.error.code == "exception"


async def test_a_handler_that_cancels_itself_has_failed(stage: Stage) -> None:
    _, handle = fails(asyncio.CancelledError())
    stage.knows("odd", handle)
    task = await stage.submit("odd")
    await run_through(stage)
    assert (await stage.record(task)).state is State.FAILED


async def test_an_end_waits_for_a_store_that_is_away(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: len(stage.began) == 1)
        stage.records.available = False
        stage.gate.set()
        await until(lambda: len(stage.ended) == 1)
        assert len(stage.queue.unacked) == 1
        stage.records.available = True
        await until(lambda: stage.empty)
    assert stage.ended == [task.id]
    assert (await stage.record(task)).state is State.SUCCEEDED
    assert len(stage.replies) == 1


async def test_a_reply_that_cannot_be_sent_stays_due(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working():
        await until(lambda: len(stage.began) == 1)
        stage.broker.available = False
        stage.gate.set()
        await until(lambda: stage.empty)
    assert (await stage.record(task)).state is State.SUCCEEDED
    assert [record.id for record in await stage.records.due(older_than_seconds=0)] == [task.id]


async def test_nobody_waiting_for_a_reply_is_no_reason_to_keep_it(stage: Stage) -> None:
    stage.knows_work()
    stage.gate.set()
    await stage.submit()
    del stage.broker.queues["warren.reply.test"]
    async with stage.working():
        await until(lambda: stage.empty)
    assert await stage.records.due(older_than_seconds=0) == []


async def test_events_tell_each_state(stage: Stage) -> None:
    _, handle = fails(ValueError("no luck"), times=1)
    stage.knows("flaky", handle, max_attempts=2)
    await stage.submit("flaky")
    await run_through(stage)
    await stage.events.flush()
    assert [key for key, _ in stage.broker.events if key.startswith("task.")] == [
        "task.started.flaky",
        "task.retrying.flaky",
        "task.started.flaky",
        "task.succeeded.flaky",
    ]


async def test_figures_count_what_happened(stage: Stage) -> None:
    _, handle = fails(ValueError("no luck"), times=1)
    stage.knows("flaky", handle, max_attempts=2)
    await stage.submit("flaky")
    await run_through(stage)
    value = stage.metrics.registry.get_sample_value
    attempts = {"pool": "cpu", "task": "flaky"}
    assert value("warren_consumer_finished_tasks_total", attempts | {"outcome": "retrying"}) == 1
    assert value("warren_consumer_finished_tasks_total", attempts | {"outcome": "succeeded"}) == 1
    assert value("warren_consumer_task_seconds_count", attempts) == 2
    assert value("warren_consumer_claims_total", {"pool": "cpu", "verdict": "claimed"}) == 2
    assert value("warren_consumer_running_tasks", {"pool": "cpu"}) == 0
