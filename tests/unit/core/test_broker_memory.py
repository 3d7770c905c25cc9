"""The in-memory broker, where it must be as RabbitMQ is."""

import asyncio

import pytest

from tests.unit.core.depth_contract import DepthContract
from tests.unit.core.listening_contract import ListeningContract, heard, tell
from warren.broker.memory import MemoryBroker
from warren.errors import UnroutableError
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import EVENTS, MOST_EVENTS, topology


@pytest.fixture(name="broker")
def _broker() -> MemoryBroker:
    return MemoryBroker(topology(DEFAULT_POOLS))


class TestMemoryBroker(ListeningContract, DepthContract):
    """It keeps the contract."""


async def test_a_listener_that_falls_behind_loses_the_oldest_events(broker: MemoryBroker) -> None:
    async with broker.listen(["task.#"]) as subscription:
        await tell(broker, *(f"task.{number}" for number in range(MOST_EVENTS + 2)))
        assert await heard(subscription, 1) == [b"task.2"]


async def test_a_lost_connection_ends_the_queues_of_ones_own(broker: MemoryBroker) -> None:
    async with broker.replies() as (name, replies), broker.listen(["task.#"]) as events:
        await broker.lose_connection()
        async with asyncio.timeout(1):
            assert [reply async for reply in replies] == [event async for event in events] == []
    async with broker.replies() as (again, _):
        assert again != name


async def test_an_event_that_must_be_heard_and_is_not_is_unroutable(broker: MemoryBroker) -> None:
    with pytest.raises(UnroutableError, match="nobody listens"):
        await broker.publish(Message(b""), exchange=EVENTS, routing_key="task.x")
