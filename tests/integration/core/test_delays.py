"""The delay ladder under load: very many different delays at once, on the real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import islice

import pytest

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import delay_route, topology

pytestmark = pytest.mark.alone

MESSAGES = 10_000
LONGEST_SECONDS = 30.0
TOGETHER = 100
MESSAGES_PER_SECOND = 1000
"""All of them wait at once before the first is due. Much faster, and what is late tells how fast two cores are."""


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    management = workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), workspace.broker_url("warren-topology"), management, lambda _: None)
    broker = AmqpBroker(workspace.broker_url())
    yield broker
    await broker.close()


async def test_ten_thousand_different_delays_are_each_met(broker: AmqpBroker) -> None:
    """The longest are published first, so that a queue that let a long one stand before a short one would show it."""
    delays = [1 + (LONGEST_SECONDS - 1) * number / MESSAGES for number in reversed(range(MESSAGES))]
    published, arrived = await _published(broker, delays), await _arrivals(broker)
    due = [asked + delay for (asked, _), delay in zip(published, delays, strict=True)]
    assert max(taken for _, taken in published) < min(due), "they did not wait all at once"
    lateness = [at - when for at, when in zip(arrived, due, strict=True)]
    assert min(lateness) >= 0
    assert max(late - delay / 100 for late, delay in zip(lateness, delays, strict=True)) <= 1


async def _published(broker: AmqpBroker, delays: list[float]) -> list[tuple[float, float]]:
    """Return when each was asked for, and when the broker had confirmed it."""
    times: list[tuple[float, float]] = []

    async def publish(number: int, delay: float) -> tuple[float, float]:
        exchange, key = delay_route(delay, "cpu")
        asked = time.monotonic()
        await broker.publish(Message(str(number).encode()), exchange=exchange, routing_key=key)
        return asked, time.monotonic()

    pairs, began = enumerate(delays), time.monotonic()
    while chunk := list(islice(pairs, TOGETHER)):
        times += await asyncio.gather(*(publish(number, delay) for number, delay in chunk))
        await asyncio.sleep(began + len(times) / MESSAGES_PER_SECOND - time.monotonic())
    return times


async def _arrivals(broker: AmqpBroker) -> list[float]:
    arrived: dict[int, float] = {}
    async with (
        asyncio.timeout(LONGEST_SECONDS * 2),
        broker.subscribe("warren.tasks.cpu", prefetch=500) as subscription,
    ):
        async for delivery in subscription:
            arrived[int(delivery.message.body)] = time.monotonic()
            await delivery.ack()
            if len(arrived) == MESSAGES:
                break
    return [arrived[number] for number in range(MESSAGES)]
