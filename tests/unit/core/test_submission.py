"""Submitting: what is under way when a submission is tried again."""

from __future__ import annotations

import asyncio

import pytest

from warren.broker.memory import MemoryBroker
from warren.clock import ManualClock
from warren.errors import BrokerUnavailableError, IdempotencyConflictError, StorageUnavailableError
from warren.message import Message
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import Pool
from warren.records.memory import MemoryRecords
from warren.submission import Submitter
from warren.tasks import Payload, Task, TaskOptions
from warren.topology import topology

POOL = Pool(name="cpu")


async def test_a_delayed_task_that_is_submitted_again_waits_for_the_rest_only() -> None:
    clock = ManualClock()
    broker, records = MemoryBroker(topology([POOL]), clock), MemoryRecords(clock)
    submitter = Submitter(broker, records, Payloads(MemoryObjects(), "warren"))
    task = Task("echo", "cpu", options=TaskOptions(delay_seconds=100))
    broker.available = False
    with pytest.raises(BrokerUnavailableError):
        await submitter.submit(task)
    broker.available = True
    clock.advance(60)
    await submitter.submit(task)
    assert [round(wait) for wait, _ in broker.delayed] == [40]


async def test_a_delay_is_not_rounded_up_twice() -> None:
    clock = ManualClock(1_750_000_000.123)
    broker = MemoryBroker(topology([POOL]), clock)
    submitter = Submitter(broker, MemoryRecords(clock), Payloads(MemoryObjects(), "warren"))
    await submitter.submit(Task("echo", "cpu", options=TaskOptions(delay_seconds=5)))
    assert [round(wait, 3) for wait, _ in broker.delayed] == [5]


@pytest.mark.usefixtures("hurry")
async def test_with_patience_what_is_away_for_a_while_costs_a_wait() -> None:
    broker, records = MemoryBroker(topology([POOL])), MemoryRecords()
    submitter = Submitter(broker, records, Payloads(MemoryObjects(), "warren"), patience=5)
    task = Task("echo", "cpu")
    records.available = broker.available = False
    submitting = asyncio.create_task(submitter.submit(task))
    await asyncio.sleep(0.05)
    records.available = True
    await asyncio.sleep(0.1)  # by now the record is written, and published is nothing
    assert not submitting.done()
    broker.available = True
    record = await submitting
    assert record.id == task.id
    assert [message.message_id for message, _ in broker.queues[POOL.queue].ready] == [task.id]


async def test_patience_has_an_end() -> None:
    broker = MemoryBroker(topology([POOL]))
    broker.available = False
    submitter = Submitter(broker, MemoryRecords(), Payloads(MemoryObjects(), "warren"), patience=0.35)
    async with asyncio.timeout(2):
        with pytest.raises(BrokerUnavailableError):
            await submitter.submit(Task("echo", "cpu"))


class Stand:
    """A submitter on in-memory adapters."""

    def __init__(self) -> None:
        self.broker, self.records, self.objects = MemoryBroker(topology([POOL])), MemoryRecords(), MemoryObjects()
        self.submitter = Submitter(self.broker, self.records, Payloads(self.objects, "warren"))

    @property
    def messages(self) -> list[Message]:
        """The messages that wait in the pool's queue."""
        return [message for message, _ in self.broker.queues[POOL.queue].ready]

    async def stored(self) -> list[str]:
        """Return the keys of all objects."""
        return [uri.key for uri in await self.objects.list(ObjectUri("warren", ""))]


async def test_a_large_payload_is_stored_once_under_the_id_of_the_first_submission() -> None:
    stand = Stand()
    tasks = [Task("echo", "cpu", Payload(b"x" * 2_000_000), idempotency_key="k") for _ in range(2)]
    first, second = [await stand.submitter.submit(task) for task in tasks]
    assert first.id == second.id == tasks[0].id
    assert await stand.stored() == [f"payloads/{first.id}"]
    [message] = stand.messages
    assert (message.body, message.headers["warren-payload-ref"]) == (b"", f"s3://warren/payloads/{first.id}")


async def test_another_large_payload_under_the_same_key_is_refused() -> None:
    stand = Stand()
    await stand.submitter.submit(Task("echo", "cpu", Payload(b"x" * 2_000_000), idempotency_key="k"))
    with pytest.raises(IdempotencyConflictError):
        await stand.submitter.submit(Task("echo", "cpu", Payload(b"y" * 2_000_000), idempotency_key="k"))


async def test_a_storage_that_is_away_accepts_nothing_large_and_the_same_again_is_the_same_task() -> None:
    stand = Stand()
    task = Task("echo", "cpu", Payload(b"x" * 2_000_000), idempotency_key="k")
    stand.objects.available = False
    with pytest.raises(StorageUnavailableError):
        await stand.submitter.submit(task)
    assert stand.messages == []
    await stand.submitter.submit(Task("echo", "cpu", idempotency_key="small"))
    stand.objects.available = True
    again = Task("echo", "cpu", Payload(b"x" * 2_000_000), idempotency_key="k")
    assert (await stand.submitter.submit(again)).id == task.id
    assert await stand.stored() == [f"payloads/{task.id}"]


async def test_a_submission_hints_that_its_pool_has_work_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    for _ in range(5):
        await stand.submitter.submit(Task("echo", "cpu"))
    await asyncio.sleep(0)
    assert [(key, message.body) for key, message in stand.broker.events] == [("pool.wake.cpu", b'{"pool":"cpu"}')]
    monkeypatch.setattr("warren.submission.HINT_SECONDS", 0)
    stand.submitter.hint("cpu")
    await asyncio.sleep(0)
    assert len(stand.broker.events) == 2


async def test_a_delayed_task_wakes_nobody() -> None:
    stand = Stand()
    await stand.submitter.submit(Task("echo", "cpu", options=TaskOptions(delay_seconds=60)))
    await asyncio.sleep(0)
    assert stand.broker.events == []


async def test_a_hint_that_cannot_be_sent_is_lost_without_a_word() -> None:
    stand = Stand()
    stand.broker.available = False
    stand.submitter.hint("cpu")
    await asyncio.sleep(0)
    assert stand.broker.events == []
