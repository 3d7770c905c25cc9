"""Submitting: what is under way when a submission is tried again."""

from __future__ import annotations

import pytest

from warren.broker.memory import MemoryBroker
from warren.clock import ManualClock
from warren.errors import BrokerUnavailableError
from warren.pool import Pool
from warren.records.memory import MemoryRecords
from warren.submission import Submitter
from warren.tasks import Task, TaskOptions
from warren.topology import topology

POOL = Pool(name="cpu")


async def test_a_delayed_task_that_is_submitted_again_waits_for_the_rest_only() -> None:
    clock = ManualClock()
    broker, records = MemoryBroker(topology([POOL]), clock), MemoryRecords(clock)
    submitter = Submitter(broker, records)
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
    await Submitter(broker, MemoryRecords(clock)).submit(Task("echo", "cpu", options=TaskOptions(delay_seconds=5)))
    assert [round(wait, 3) for wait, _ in broker.delayed] == [5]
