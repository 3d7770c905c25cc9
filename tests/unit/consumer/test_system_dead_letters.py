"""The system pool: the broker's dead letters, into records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.consumer.stage import POOL, crowded, until
from tests.unit.consumer.system_case import REJECTED, SystemCase, summary, wanted, with_headers
from warren.broker import Delivery
from warren.message import Message, encode_task
from warren.record import State
from warren.tasks import Payload, Task
from warren_consumer.closing import CODE_HEADER, REASON_HEADER
from warren_consumer.system.dead_letters import ROUNDS_HEADER
from warren_consumer.system.stream import Stream

WENT_ROUND = {"x-death": [{"reason": "delivery_limit", "queue": POOL.queue}], "x-delivery-count": 1000}
RAN_OUT = {"x-death": [{"reason": "expired", "queue": POOL.queue}]}
WAS_DELAYED = {"x-death": [{"reason": "expired", "queue": "warren.delay.3"}]}


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


@asynccontextmanager
async def running(stream: Stream) -> AsyncIterator[None]:
    task = asyncio.create_task(stream.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(("headers", "noted"), [(WENT_ROUND, {ROUNDS_HEADER: 1}), (WAS_DELAYED, {})])
async def test_a_message_that_went_round_too_often_is_published_again_unmarked(
    case: SystemCase, headers: dict[str, Any], noted: dict[str, int]
) -> None:
    task = Task("work", POOL.name)
    await case.bury(with_headers(task, headers))
    ((message, _),) = case.queue.ready
    born = encode_task(task)
    assert message == replace(born, headers={**born.headers, **noted})
    assert case.counted("warren_system_dead_letters_total", "published-again") == 1


async def test_a_message_that_goes_round_again_and_again_ends_as_poison(case: SystemCase) -> None:
    """Whose worker is not Warren's holds no lease: what kills it is seen by the broker alone."""
    task = await case.accepted()
    message = encode_task(task)
    for _ in range(2):
        await case.bury(replace(message, headers={**message.headers, **WENT_ROUND}))
        ((message, _),) = case.queue.ready
        case.queue.ready.clear()
    await case.bury(replace(message, headers={**message.headers, **WENT_ROUND}))
    assert case.empty
    record = await case.record(task)
    assert (summary(record), record.payload) == (("failed", "poison"), b"{}")


async def test_a_message_that_goes_round_while_its_task_is_at_work_goes_on(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.claim(task, "c1", alone=False)
    await case.bury(with_headers(task, {**WENT_ROUND, ROUNDS_HEADER: 2}))
    assert len(case.queue.ready) == 1
    assert (await case.record(task)).state is State.STARTED


async def test_dead_letters_that_cannot_be_published_again_keep_no_other_waiting(case: SystemCase) -> None:
    letters = case.broker.queues[POOL.dead_letter_queue]
    for _ in range(12):
        letters.push(with_headers(Task("work", POOL.name), WENT_ROUND))
    refused = wanted()
    letters.push(with_headers(refused, REJECTED))
    del case.broker.queues[POOL.queue]
    async with running(case.stream(case.dead_letters.take)):
        await until(lambda: len(case.replies) == 1)
    assert summary(await case.record(refused)) == ("failed", "rejected")


async def test_a_dead_letter_of_a_task_that_ended_is_done(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.cancel(task.id)
    await case.bury(with_headers(task, WENT_ROUND))
    assert case.empty
    assert len(case.replies) == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (REJECTED, "rejected"),
        ({REASON_HEADER: "the header warren-timeout-seconds is not valid"}, "invalid-message"),
        ({REASON_HEADER: "the worker failed on it", CODE_HEADER: "internal"}, "internal"),
    ],
)
async def test_a_message_that_was_refused_ends_as_a_failed_record(
    case: SystemCase, headers: dict[str, Any], code: str
) -> None:
    task = wanted()
    await case.bury(with_headers(task, headers))
    record = await case.record(task)
    assert (summary(record), record.payload) == (("failed", code), b"{}")
    assert [reply.headers["warren-state"] for reply in case.replies] == ["failed"]
    assert await case.told() == ["task.failed.work"]


async def test_a_large_payload_stays_with_the_failed_record_by_its_reference(case: SystemCase) -> None:
    payload = Payload(b"", "image/jpeg", reference="s3://warren/payloads/x", sha256="0" * 64)
    task = Task("work", POOL.name, payload)
    await case.bury(with_headers(task, REJECTED))
    record = await case.record(task)
    assert (record.payload, record.payload_ref, record.payload_sha256) == (None, payload.reference, payload.sha256)
    assert record.payload_type == "image/jpeg"


async def test_a_message_that_ran_out_of_its_time_at_the_broker_ends_as_expired(case: SystemCase) -> None:
    task = await case.accepted()
    await case.bury(with_headers(task, RAN_OUT))
    assert summary(await case.record(task)) == ("expired", "expired")
    assert [reply.headers["warren-state"] for reply in case.replies] == ["expired"]


async def test_a_refused_message_of_a_task_at_work_is_published_again(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.claim(task, "c1", alone=False)
    await case.bury(with_headers(task, REJECTED))
    assert len(case.queue.ready) == 1
    assert (await case.record(task)).state is State.STARTED


async def test_a_message_without_a_name_gets_a_record_of_its_own(case: SystemCase) -> None:
    await case.bury(Message(b"what?", content_type=""))
    (listed,) = (await case.records.dead()).records
    (record,) = await case.records.read([listed.id])
    assert record is not None
    assert (summary(record), record.name, record.payload) == (("failed", "invalid-message"), "unknown", b"what?")
    assert record.error is not None
    assert "message_id" in record.error.message


async def test_a_bad_dead_letter_neither_ends_the_duty_nor_blocks_the_others(case: SystemCase) -> None:
    bad = [wanted("bad") for _ in range(12)]
    good = wanted()
    mended = False

    async def take(delivery: Delivery) -> None:
        if delivery.message.type == "bad" and not mended:
            raise RuntimeError("boom")
        await case.dead_letters.take(delivery)

    queue = case.broker.queues[POOL.dead_letter_queue]
    for task in (*bad, good):
        queue.push(with_headers(task, REJECTED))
    async with running(case.stream(take, at_once=4)):
        await until(lambda: len(case.replies) == 1)
        assert summary(await case.record(good)) == ("failed", "rejected")
        assert case.counted("warren_system_faults_total", "dead-letters") >= 12
        mended = True
        await until(lambda: len(case.replies) == 13)
        await until(lambda: not queue.ready and not queue.unacked)  # the ack follows the reply
    assert {summary(await case.record(task)) for task in bad} == {("failed", "rejected")}


async def test_a_dead_letter_that_waits_keeps_no_other_waiting(case: SystemCase) -> None:
    gate, slow, fast = asyncio.Event(), wanted("slow"), wanted()

    async def take(delivery: Delivery) -> None:
        if delivery.message.type == "slow":
            await gate.wait()
        await case.dead_letters.take(delivery)

    for task in (slow, fast):
        case.broker.queues[POOL.dead_letter_queue].push(with_headers(task, REJECTED))
    async with running(case.stream(take)):
        await until(lambda: len(case.replies) == 1)
        assert summary(await case.record(fast)) == ("failed", "rejected")
        gate.set()
        await until(lambda: len(case.replies) == 2)


async def test_a_message_that_cannot_be_put_last_is_put_back(case: SystemCase) -> None:
    tried = 0

    async def take(delivery: Delivery) -> None:
        nonlocal tried
        tried += 1
        raise RuntimeError("boom")

    stream = case.stream(take)
    stream.again = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    case.broker.queues[POOL.dead_letter_queue].push(with_headers(wanted(), REJECTED))
    async with running(stream):
        await until(lambda: tried >= 2)
        assert stream.consuming
    assert not stream.consuming


async def test_a_message_that_has_no_room_for_another_header_is_put_last_without_those_of_others(
    case: SystemCase,
) -> None:
    task, taken = wanted(), []

    async def take(delivery: Delivery) -> None:
        taken.append(delivery.message)
        if len(taken) == 1:
            raise RuntimeError("boom")
        await delivery.ack()

    full = crowded(encode_task(task))
    queue = case.broker.queues[POOL.dead_letter_queue]
    queue.push(replace(full, headers={**full.headers, **REJECTED}))
    async with running(case.stream(take)):
        await until(lambda: len(taken) == 2)
        await until(lambda: not queue.unacked)
    assert taken[1].headers == {"warren-protocol": 1, "warren-death": "rejected"}
    assert taken[1].message_id == task.id


async def test_a_message_of_another_version_of_the_protocol_says_so(case: SystemCase) -> None:
    task = await case.accepted()
    await case.bury(with_headers(task, {"warren-protocol": 2}))
    record = await case.record(task)
    assert summary(record) == ("failed", "unknown-protocol")
    assert record.error is not None
    assert "warren-protocol is 2" in record.error.message
    assert record.payload == task.payload.body
