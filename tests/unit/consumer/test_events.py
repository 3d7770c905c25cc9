"""Telling what happens to tasks: all of it, in order, and never in the way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from warren.broker import Subscription
from warren.broker.memory import MemoryBroker
from warren.event import encode_event
from warren.record import Record, State
from warren.topology import topology
from warren_consumer.events import GATHER_SECONDS, MOST_AT_ONCE, MOST_WAITING, Events


def record(number: int) -> Record:
    return Record(id=str(number), name="echo", pool="cpu", state=State.SUCCEEDED, result=b"1", now=0)


async def heard(subscription: Subscription, count: int) -> list[str | None]:
    """Return the ids of the tasks that the next events tell of."""
    stream = aiter(subscription)
    async with asyncio.timeout(5):
        return [(await anext(stream)).message.correlation_id for _ in range(count)]


@pytest.fixture(name="broker")
def _broker() -> MemoryBroker:
    return MemoryBroker(topology([]))


@pytest.fixture(name="events")
async def _events(broker: MemoryBroker) -> AsyncIterator[Events]:
    events = Events(broker)
    running = asyncio.create_task(events.run())
    yield events
    running.cancel()


async def test_what_is_told_in_bursts_is_heard_in_order(broker: MemoryBroker, events: Events) -> None:
    numbers = range(5 * MOST_AT_ONCE + 1)
    async with broker.listen(["task.#"]) as subscription:
        for number in numbers:
            events.tell(record(number))
            if number % (2 * MOST_AT_ONCE + 7) == 1:
                await asyncio.sleep(2 * GATHER_SECONDS)
        assert await heard(subscription, len(numbers)) == list(map(str, numbers))


async def test_what_waits_is_published_at_the_end(broker: MemoryBroker) -> None:
    events = Events(broker)
    async with broker.listen(["task.#"]) as subscription:
        for number in range(2 * MOST_AT_ONCE):
            events.tell(record(number))
        await events.flush()
        assert await heard(subscription, 2 * MOST_AT_ONCE) == list(map(str, range(2 * MOST_AT_ONCE)))


async def test_what_is_too_much_is_dropped_and_the_rest_is_told(broker: MemoryBroker, events: Events) -> None:
    async with broker.listen(["task.#"]) as subscription:
        for number in range(MOST_WAITING + 5):
            events.tell(record(number))
        await heard(subscription, 1)
        await asyncio.sleep(0)
        events.tell(record(-1))
        assert (await heard(subscription, MOST_WAITING))[-2:] == [str(MOST_WAITING - 1), "-1"]


def test_an_event_holds_no_result() -> None:
    assert b"result" not in encode_event(record(1)).body
