"""The system pool: results of workers that are not Python's."""

from __future__ import annotations

import json

import pytest

from tests.unit.consumer.stage import BUCKET, POOL, REPLIES
from tests.unit.consumer.system_case import TTL, SystemCase, summary
from warren.errors import InvalidRequestError, StorageUnavailableError
from warren.message import Message
from warren.objects import ObjectUri
from warren.record import Progress, State, TaskError
from warren.tasks import MAX_INLINE_BYTES, Task, new_task_id
from warren_consumer.system.report import describe, read


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


async def test_a_result_ends_the_task_and_is_told(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b'{"cat": 0.9}')
    record = await case.record(task)
    assert (record.state, record.result, record.result_type) == (State.SUCCEEDED, b'{"cat": 0.9}', "application/json")
    assert [reply.body for reply in case.replies] == [b'{"cat": 0.9}']
    assert await case.told() == ["task.succeeded.work"]
    assert case.counted("warren_system_results_total", "recorded") == 1


async def test_a_failure_ends_the_task_as_its_worker_describes_it(case: SystemCase) -> None:
    task = await case.accepted()
    said = {"code": "no-face", "message": "there is no face in it", "traceback": "at main.go:7"}
    await case.report(task, json.dumps(said).encode(), **{"warren-state": "failed"})
    record = await case.record(task)
    assert (record.state, record.error) == (State.FAILED, TaskError.model_validate(said))
    assert [reply.headers["warren-state"] for reply in case.replies] == ["failed"]


async def test_a_result_that_comes_twice_counts_once(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"1")
    await case.report(task, b"2")
    await case.report(task, b"no", **{"warren-state": "failed"})
    assert ((await case.record(task)).result, len(case.replies)) == (b"1", 1)
    assert case.counted("warren_system_results_total", "ended-before") == 2


async def test_a_result_of_a_canceled_task_changes_nothing(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.cancel(task.id)
    await case.report(task)
    assert (await case.record(task)).state is State.CANCELED
    case.advance(TTL - 1)
    assert (await case.record(task)).state is State.CANCELED
    case.advance(2)
    assert await case.records.read([task.id]) == [None], "its message is gone, and its life began then"


async def test_a_result_is_refused_while_a_consumer_works_on_the_task(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.claim(task, "c1", alone=True)
    await case.report(task)
    assert ((await case.record(task)).state, case.replies) == (State.STARTED, [])
    assert case.counted("warren_system_results_total", "refused") == 1


async def test_a_task_without_a_record_gets_one_from_its_result(case: SystemCase) -> None:
    task_id = new_task_id()
    headers = {"warren-pool": POOL.name}
    await case.reported(Message(b"1", "text/plain", task_id, "work", reply_to=REPLIES, headers=headers))
    record = await case.record(Task("work", POOL.name, id=task_id))
    assert (record.state, record.result, record.result_type) == (State.SUCCEEDED, b"1", "text/plain")
    assert [reply.correlation_id for reply in case.replies] == [task_id]


async def test_what_a_result_does_not_say_about_its_task_the_record_does(case: SystemCase) -> None:
    task = await case.accepted()
    await case.reported(Message(b"1", message_id=task.id))
    assert (await case.record(task)).state is State.SUCCEEDED


async def test_a_large_result_goes_to_object_storage(case: SystemCase) -> None:
    task = await case.accepted()
    body = b'"%b"' % (b"x" * MAX_INLINE_BYTES)
    await case.report(task, body)
    record = await case.record(task)
    assert record.result is None
    assert record.result_ref is not None
    assert record.result_ref.startswith(f"s3://{BUCKET}/results/{task.id}/")
    assert await case.objects.get(ObjectUri.parse(record.result_ref)) == body
    assert [reply.headers["warren-result-ref"] for reply in case.replies] == [record.result_ref]


async def test_a_large_result_that_is_not_the_json_it_is_said_to_be_fails_the_task(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"no JSON" * MAX_INLINE_BYTES)
    record = await case.record(task)
    assert (record.state, record.error and record.error.code) == (State.FAILED, "invalid-result")
    assert await case.objects.list(ObjectUri(BUCKET, "")) == []


async def test_a_large_result_waits_for_the_storage(case: SystemCase) -> None:
    task = await case.accepted()
    case.objects.available = False
    with pytest.raises(StorageUnavailableError):
        await case.report(task, b'"%b"' % (b"x" * MAX_INLINE_BYTES))
    assert (await case.record(task)).state is State.QUEUED
    assert len(case.broker.queues["warren.results"].unacked) == 1


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Message(b"1"), "message_id"),
        (Message(b"1", message_id="x", type="no name"), "'no name' is no task's name"),
        (Message(b"1", message_id="x", headers={"warren-state": "done"}), "'done'"),
        (Message(b"1", message_id="x", headers={"warren-report": "one two"}), "'one two'"),
        (Message(b"1", message_id="x", headers={"warren-report": "x" * 65}), "1 to 64"),
    ],
)
async def test_what_cannot_be_used_is_named_counted_and_gone(case: SystemCase, message: Message, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        read(message)
    await case.reported(message)
    assert case.counted("warren_system_results_total", "malformed") == 1


@pytest.mark.parametrize("pool", ["nowhere", None])
async def test_a_result_of_no_known_task_in_no_known_pool_is_malformed(case: SystemCase, pool: str | None) -> None:
    headers = {"warren-pool": pool} if pool else {}
    await case.reported(Message(b"1", message_id=new_task_id(), type="work", headers=headers))
    assert case.counted("warren_system_results_total", "malformed") == 1


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"out of memory", "failed", "out of memory"),
        (b'{"message": "broken"}', "failed", "broken"),
        (b'{"code": 7}', "7", '{"code": 7}'),
        (b'["odd"]', "failed", '["odd"]'),
        (b"", "failed", "its worker does not say why"),
        (b"\xff", "failed", "�"),
    ],
)
def test_a_failure_may_be_described_in_any_words(body: bytes, code: str, message: str) -> None:
    assert describe(body) == TaskError(code=code, message=message)


def test_a_long_description_is_cut() -> None:
    said = {"code": "c" * 1000, "message": "m" * 100_000, "traceback": "t" * 100_000 + "end"}
    error = describe(json.dumps(said).encode())
    assert (len(error.code), len(error.message)) == (64, 16_384)
    assert error.traceback is not None
    assert (len(error.traceback), error.traceback[-3:]) == (16_384, "end")


async def test_a_result_that_is_not_what_it_is_said_to_be_fails_the_task(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"no json")
    assert summary(await case.record(task)) == ("failed", "invalid-result")


async def test_no_result_at_all_is_one(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"")
    assert (await case.record(task)).state is State.SUCCEEDED


async def test_a_worker_tells_that_it_begins_and_how_far_it_is(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"", **{"warren-state": "started"})
    await case.report(task, b'{"fraction": 0.25, "message": "one of four"}', **{"warren-state": "started"})
    record = await case.record(task)
    assert (record.state, record.attempt) == (State.STARTED, 1)
    assert record.progress == Progress(fraction=0.25, message="one of four")
    await case.report(task, b"1")
    await case.report(task, b"", **{"warren-state": "started"})
    assert (await case.record(task)).state is State.SUCCEEDED
    assert await case.told() == ["task.started.work", "task.succeeded.work"]
    assert [case.counted("warren_system_results_total", fate) for fate in ("begun", "noted", "ended-before")] == [1] * 3


async def test_a_report_that_the_broker_hands_over_twice_begins_one_attempt(case: SystemCase) -> None:
    task = await case.accepted()
    begins = {"warren-state": "started", "warren-report": "5f0c9c1e"}
    for _ in range(2):
        await case.report(task, b"", **begins)
    assert (await case.record(task)).attempt == 1
    await case.report(task, b"", **begins | {"warren-report": "77aa01d2"})
    assert (await case.record(task)).attempt == 2


async def test_reports_without_names_begin_an_attempt_each(case: SystemCase) -> None:
    task = await case.accepted()
    for _ in range(2):
        await case.report(task, b"", **{"warren-state": "started"})
    assert (await case.record(task)).attempt == 2


@pytest.mark.parametrize("body", [b"half", b'{"fraction": 2}', b"[]"])
async def test_progress_that_is_none_is_malformed(case: SystemCase, body: bytes) -> None:
    task = await case.accepted()
    await case.report(task, body, **{"warren-state": "started"})
    assert (await case.record(task)).state is State.QUEUED
    assert case.counted("warren_system_results_total", "malformed") == 1


async def test_a_result_of_another_version_of_the_protocol_ends_its_task_as_failed(case: SystemCase) -> None:
    task = await case.accepted()
    await case.report(task, b"1", **{"warren-protocol": 2})
    assert summary(await case.record(task)) == ("failed", "unknown-protocol")


@pytest.mark.parametrize("begun", [True, False])
async def test_a_worker_that_finds_a_task_too_late_says_so(case: SystemCase, begun: bool) -> None:  # noqa: FBT001 - a case
    task = await case.accepted()
    if begun:
        await case.report(task, b"", **{"warren-state": "started"})
    await case.report(task, b"", **{"warren-state": "expired"})
    assert summary(await case.record(task)) == ("expired", None)
    assert [reply.headers["warren-state"] for reply in case.replies] == ["expired"]
