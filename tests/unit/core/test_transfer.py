"""Moving the waiting tasks of a pool to another one."""

from __future__ import annotations

import pytest

from warren import transfer as module
from warren.broker.memory import MemoryBroker
from warren.errors import BrokerUnavailableError, RecordsUnavailableError, UnroutableError
from warren.message import Message, decode_task, encode_task
from warren.pool import Pool
from warren.records.memory import MemoryRecords
from warren.tasks import Payload, Priority, Task, TaskOptions
from warren.topology import TASKS, topology
from warren.transfer import transfer

pytestmark = pytest.mark.usefixtures("hurry")


@pytest.fixture(name="broker")
def _broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.05)
    return MemoryBroker(topology([Pool(name="old"), Pool(name="new")]))


async def fill(broker: MemoryBroker, count: int) -> list[Task]:
    """Put tasks into the old pool's queue."""
    tasks = [
        Task("echo", "old", Payload(f"{number}".encode()), options=TaskOptions(priority=Priority.HIGH))
        for number in range(count)
    ]
    for task in tasks:
        await broker.publish(encode_task(task), exchange=TASKS, routing_key="old")
    return tasks


def waiting(broker: MemoryBroker, pool: str) -> list[Message]:
    """Return what waits in a pool's queue."""
    return [message for message, _ in broker.queues[f"{TASKS}.{pool}"].ready]


async def test_everything_arrives_as_it_was_and_in_order(broker: MemoryBroker) -> None:
    tasks = await fill(broker, 250)
    before = waiting(broker, "old")
    counts: list[int] = []
    assert await transfer(broker, MemoryRecords(), "old", "new", report=counts.append) == 250
    assert counts == list(range(1, 251))
    assert (waiting(broker, "old"), waiting(broker, "new")) == ([], before)
    assert not broker.queues[f"{TASKS}.old"].unacked
    assert [decode_task(message, "new").id for message in waiting(broker, "new")] == [task.id for task in tasks]


async def test_the_records_name_the_new_pool_before_the_messages_are_there(broker: MemoryBroker) -> None:
    tasks, records = await fill(broker, 3), MemoryRecords()
    for task in tasks:
        await records.create(task)
    records.available = False
    with pytest.raises(RecordsUnavailableError):
        await transfer(broker, records, "old", "new")
    assert waiting(broker, "new") == []
    await broker.close()
    records.available = True
    await transfer(broker, records, "old", "new")
    assert [record and record.pool for record in await records.read([task.id for task in tasks])] == ["new"] * 3


async def test_a_limit_leaves_the_rest_where_it_is(broker: MemoryBroker) -> None:
    await fill(broker, 5)
    assert await transfer(broker, MemoryRecords(), "old", "new", limit=2) == 2
    assert (len(waiting(broker, "old")), len(waiting(broker, "new"))) == (3, 2)
    assert await transfer(broker, MemoryRecords(), "old", "new") == 3


async def test_an_empty_queue_is_no_error(broker: MemoryBroker) -> None:
    assert await transfer(broker, MemoryRecords(), "old", "new") == 0


@pytest.mark.parametrize(("old", "new"), [("nowhere", "new"), ("old", "nowhere")])
async def test_a_pool_without_a_queue_is_refused_and_nothing_is_lost(broker: MemoryBroker, old: str, new: str) -> None:
    await fill(broker, 3)
    with pytest.raises(UnroutableError, match="nowhere"):
        await transfer(broker, MemoryRecords(), old, new)
    await broker.close()
    assert len(waiting(broker, "old")) == 3


async def test_a_broker_that_goes_away_midway_leaves_each_task_in_one_of_the_queues(broker: MemoryBroker) -> None:
    tasks = await fill(broker, 10)

    def leave(count: int) -> None:
        broker.available = count < 4

    with pytest.raises(BrokerUnavailableError):
        await transfer(broker, MemoryRecords(), "old", "new", report=leave)
    broker.available = True
    await broker.close()
    await transfer(broker, MemoryRecords(), "old", "new")
    assert {message.message_id for message in waiting(broker, "new")} == {task.id for task in tasks}
    assert len(waiting(broker, "new")) == 10
