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
TOGETHER = 500
MESSAGES_PER_SECOND = 2000
"""Faster than that, and what is late by more than a second tells how fast the broker is on two cores."""


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
    asked, arrived = await _published(broker, delays), await _arrivals(broker)
    lateness = [arrived[number] - asked[number] - delay for number, delay in enumerate(delays)]
    assert min(lateness) >= 0
    assert max(late - delay / 100 for late, delay in zip(lateness, delays, strict=True)) <= 1


async def _published(broker: AmqpBroker, delays: list[float]) -> dict[int, float]:
    asked: dict[int, float] = {}

    async def publish(number: int, delay: float) -> None:
        exchange, key = delay_route(delay, "cpu")
        asked[number] = time.monotonic()
        await broker.publish(Message(str(number).encode()), exchange=exchange, routing_key=key)

    pairs, began = enumerate(delays), time.monotonic()
    while chunk := list(islice(pairs, TOGETHER)):
        await asyncio.gather(*(publish(number, delay) for number, delay in chunk))
        await asyncio.sleep(began + len(asked) / MESSAGES_PER_SECOND - time.monotonic())
    return asked


async def _arrivals(broker: AmqpBroker) -> dict[int, float]:
    arrived: dict[int, float] = {}
    async with (
        asyncio.timeout(LONGEST_SECONDS * 2),
        broker.subscribe("warren.tasks.cpu", prefetch=TOGETHER) as subscription,
    ):
        async for delivery in subscription:
            arrived[int(delivery.message.body)] = time.monotonic()
            await delivery.ack()
            if len(arrived) == MESSAGES:
                break
    return arrived
