"""The system pool: delayed messages for pools that are not there, into records."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.consumer.stage import REPLIES, until
from tests.unit.consumer.system_case import SystemCase, summary
from warren.message import Message, encode_task
from warren.pool import Pool
from warren.record import State
from warren.tasks import Payload, Task
from warren.topology import ASTRAY, DELAY_DUE, delay_route, topology
from warren_consumer.system.assembly import assemble
from warren_consumer.system.astray import Astray, again


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


def astray(task: Task, **death: Any) -> Message:
    """Return the task's message as it comes off the ladder when it has nowhere to go."""
    died = {"reason": "expired", "queue": "warren.delay.0", "routing-keys": [delay_route(3, task.pool)[1]], **death}
    message = encode_task(task)
    return replace(message, headers={**message.headers, "x-death": [died], "x-first-death-reason": "expired"})


async def see_to(case: SystemCase, message: Message) -> None:
    queue = case.broker.queues[ASTRAY]
    queue.push(message)
    means = case.means
    await Astray(means.broker, means.records, means.endings, means.metrics).take(queue.pop())
    assert not queue.ready
    assert not queue.unacked


@pytest.mark.parametrize("put_last", [0, 1, 2])
async def test_a_delayed_task_of_a_pool_that_is_not_there_fails_and_can_be_replayed(
    case: SystemCase, put_last: int
) -> None:
    task = Task("work", "cpuu", Payload(b'{"n":1}'), reply_to=REPLIES)
    message = astray(task)
    for _ in range(put_last):
        message = again(message)
    await see_to(case, message)
    record = await case.record(task)
    assert (*summary(record), record.pool) == ("failed", "unroutable", "cpuu")
    assert record.error is not None
    assert "a pool cpuu" in record.error.message
    assert record.payload == b'{"n":1}'
    assert [reply.headers["warren-state"] for reply in case.replies] == ["failed"]
    assert [letter.id for letter in (await case.records.dead()).records] == [task.id]


@pytest.mark.parametrize("death", [{"routing-keys": []}, {"routing-keys": ["0.1.Not a pool"]}, {"routing-keys": None}])
async def test_a_message_that_names_no_pool_fails_all_the_same(case: SystemCase, death: dict[str, Any]) -> None:
    task = Task("work", "cpuu")
    await see_to(case, astray(task, **death))
    record = await case.record(task)
    assert (*summary(record), record.pool) == ("failed", "unroutable", "unknown")


async def test_what_is_no_task_at_all_fails_as_that(case: SystemCase) -> None:
    await see_to(case, replace(astray(Task("work", "cpuu")), type=None, message_id="foreign"))
    (record,) = await case.records.read(["foreign"])
    assert record is not None
    assert summary(record) == ("failed", "invalid-message")


async def test_a_task_that_ended_meanwhile_stays_as_it_ended(case: SystemCase) -> None:
    task = await case.accepted()
    await case.records.cancel(task.id)
    await see_to(case, astray(replace(task, pool="cpuu")))
    assert (await case.record(task)).state is State.CANCELED


async def test_the_system_pool_takes_what_goes_astray(case: SystemCase) -> None:
    duties = assemble(case.means)
    running = asyncio.create_task(duties.run())
    task = Task("work", "cpuu", reply_to=REPLIES)
    case.broker.queues[ASTRAY].push(astray(task))
    await until(lambda: bool(case.replies))
    await duties.stop()
    await running
    assert summary(await case.record(task)) == ("failed", "unroutable")


def test_every_exchange_of_the_ladder_has_another_way_and_no_pool_can_have_its_name() -> None:
    wanted = topology([Pool(name="cpu")])
    (policy,) = (policy for policy in wanted.policies if policy.apply_to == "exchanges")
    assert policy.definition == {"alternate-exchange": ASTRAY}
    assert DELAY_DUE.startswith("warren.delay.")
    assert not ASTRAY.startswith("warren.delay.")
    limits = [wanted.policy_of(queue.name) for queue in wanted.queues]
    assert all(limit is not None and "delivery-limit" in limit.definition for limit in limits)
    with pytest.raises(ValueError, match="name"):
        Pool(name=ASTRAY.removeprefix("warren.dead."))
