"""The delay ladder under load: very many different delays at once, on the real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count, islice

import pytest

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import TASKS, delay_route, topology

pytestmark = pytest.mark.alone

MESSAGES = 10_000
LONGEST_SECONDS = 30.0
TOGETHER = 100
PROBE_SECONDS = 0.05
WORST_SECONDS = 2.0


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    management = workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), workspace.broker_url("warren-topology"), management, lambda _: None)
    broker = AmqpBroker(workspace.broker_url())
    yield broker
    await broker.close()


async def test_ten_thousand_different_delays_are_each_met(broker: AmqpBroker) -> None:
    """The longest are published first, so that a queue that let a long one stand before a short one would show it.

    What a message without a delay takes meanwhile, there and back, is the machine's doing and not the ladder's. A
    moment in which the machine stands still makes a few late; a queue where one stands before another, thousands.
    """
    delays = [1 + (LONGEST_SECONDS - 1) * number / MESSAGES for number in reversed(range(MESSAGES))]
    asked: dict[int, float] = {}
    probing = asyncio.create_task(_probe(broker, asked))
    arrived, _ = await asyncio.gather(_arrivals(broker), _publish_all(broker, delays, asked))
    probing.cancel()
    lateness = [arrived[number] - asked[number] - delay for number, delay in enumerate(delays)]
    undelayed = max(at - asked[number] for number, at in arrived.items() if number < 0)
    assert min(lateness) >= 0
    beyond = [late - delay / 100 - undelayed for late, delay in zip(lateness, delays, strict=True)]
    assert sum(late > 1 for late in beyond) <= MESSAGES / 100
    assert max(beyond) <= WORST_SECONDS


async def _publish_all(broker: AmqpBroker, delays: list[float], asked: dict[int, float]) -> None:
    async def publish(number: int, delay: float) -> None:
        exchange, key = delay_route(delay, "cpu")
        asked[number] = time.monotonic()
        await broker.publish(Message(str(number).encode()), exchange=exchange, routing_key=key)

    pairs = enumerate(delays)
    while chunk := list(islice(pairs, TOGETHER)):
        await asyncio.gather(*(publish(number, delay) for number, delay in chunk))


async def _probe(broker: AmqpBroker, asked: dict[int, float]) -> None:
    """Publish a message without a delay, numbered from -1 downwards, again and again."""
    for number in count(-1, -1):
        asked[number] = time.monotonic()
        await broker.publish(Message(str(number).encode()), exchange=TASKS, routing_key="cpu")
        await asyncio.sleep(PROBE_SECONDS)


async def _arrivals(broker: AmqpBroker) -> dict[int, float]:
    """Return when each came, the probes too, once all that were delayed are there."""
    arrived: dict[int, float] = {}
    delayed = 0
    async with (
        asyncio.timeout(LONGEST_SECONDS * 3),
        broker.subscribe("warren.tasks.cpu", prefetch=TOGETHER) as subscription,
    ):
        async for delivery in subscription:
            number = int(delivery.message.body)
            arrived[number] = time.monotonic()
            await delivery.ack()
            delayed += number >= 0
            if delayed == MESSAGES:
                break
    return arrived
