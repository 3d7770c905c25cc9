"""A pool whose queue is full, or not there, keeps back its own delayed tasks, and nobody else's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.integration.servers import Workspace
from tools.stack import web
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.errors import BrokerUnavailableError
from warren.message import Message
from warren.pool import DEFAULT_POOLS, Pool
from warren.topology import ASTRAY, DELAY_LEVELS, TASKS, delay_exchange, delay_route, topology
from warren_consumer.depths.rabbitmq import RabbitDepths

FULL, OTHER = DEFAULT_POOLS
DELAYED = 1200
"""More than twice as many as a queue of the test's broker has on their way at once (512)."""
DELAY_SECONDS = 3.0
"""It leads over two levels of the ladder."""


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    await provision(topology(DEFAULT_POOLS), *_urls(workspace), lambda _: None)
    broker = AmqpBroker(workspace.broker_url())
    yield broker
    await broker.close()


async def test_the_delays_of_other_pools_are_met_while_one_is_full(broker: AmqpBroker, workspace: Workspace) -> None:
    _limit(workspace, FULL.queue, 1)
    filled = await _fill(broker, FULL)
    await asyncio.gather(*(_delay(broker, FULL, str(number)) for number in range(DELAYED)))
    await asyncio.sleep(DELAY_SECONDS)
    due = time.monotonic() + DELAY_SECONDS
    await asyncio.gather(*(_delay(broker, OTHER, str(number)) for number in range(100)))
    came = await _take(broker, OTHER.queue, 100)
    assert len(came) == 100
    assert max(came.values()) - due <= 1 + DELAY_SECONDS / 100
    await _holds(workspace, filled + DELAYED)


async def test_the_delays_of_other_pools_are_met_while_one_is_not_there(broker: AmqpBroker) -> None:
    await asyncio.gather(*(_delay(broker, Pool(name="cpuu"), str(number)) for number in range(DELAYED)))
    top = DELAY_LEVELS - 1
    await broker.publish(Message(b"no digit"), exchange=delay_exchange(top), routing_key=f"2{'.0' * top}.cpu")
    await asyncio.sleep(DELAY_SECONDS)
    due = time.monotonic() + DELAY_SECONDS
    await asyncio.gather(*(_delay(broker, OTHER, str(number)) for number in range(100)))
    came = await _take(broker, OTHER.queue, 100)
    assert max(came.values()) - due <= 1 + DELAY_SECONDS / 100
    assert set(await _take(broker, ASTRAY, DELAYED + 1)) == {"no digit", *map(str, range(DELAYED))}


def _urls(workspace: Workspace) -> tuple[str, str]:
    return workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")


def _limit(workspace: Workspace, queue: str, messages: int) -> None:
    """Let the queue hold so many messages, as somebody does who writes a policy of their own."""
    policy = {"pattern": f"^{queue}$", "definition": {"max-length": messages}, "apply-to": "queues", "priority": 9}
    path = f"api/policies/{quote(workspace.name)}/full"
    answer = web.call("PUT", workspace.management_url() + path, policy)
    assert answer.status < 300, answer.body


async def _fill(broker: AmqpBroker, pool: Pool) -> int:
    """Publish until the queue refuses; return how many it has taken."""
    async with asyncio.timeout(20):
        for number in range(1000):
            try:
                await broker.publish(Message(f"fill-{number}".encode()), exchange=TASKS, routing_key=pool.name)
            except BrokerUnavailableError:
                return number
    pytest.fail("the queue never refused")


async def _holds(workspace: Workspace, messages: int) -> None:
    """Wait until the full pool is told to hold so many messages, those included that its queue has refused."""
    depths, held = RabbitDepths([workspace.servers.broker_metrics_url], workspace.broker_url()), 0
    async with asyncio.timeout(20):
        while held != messages:
            await asyncio.sleep(0.2)
            told = await depths.read()
            held = told[FULL.queue] + told[FULL.due_queue]
    await depths.close()


async def _delay(broker: AmqpBroker, pool: Pool, body: str) -> None:
    exchange, key = delay_route(DELAY_SECONDS, pool.name)
    await broker.publish(Message(body.encode()), exchange=exchange, routing_key=key)


async def _take(broker: AmqpBroker, queue: str, count: int) -> dict[str, float]:
    """Take so many messages off the queue; return when each came."""
    came: dict[str, float] = {}
    async with asyncio.timeout(30), broker.subscribe(queue, prefetch=500) as subscription:
        async for delivery in subscription:
            came[delivery.message.body.decode()] = time.monotonic()
            await delivery.ack()
            if len(came) == count:
                break
    return came
