"""Priorities on the real broker: from RabbitMQ 4.0 on, what is urgent overtakes what waits."""

from __future__ import annotations

import asyncio

from tests.integration.servers import Workspace
from tools.stack import web
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Priority, Task, TaskOptions
from warren.topology import TASKS, topology

WAITING, URGENT = 50, 5


async def test_urgent_tasks_overtake_those_that_wait_where_the_broker_knows_priorities(workspace: Workspace) -> None:
    management = workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), workspace.broker_url("warren-topology"), management, lambda _: None)
    broker = AmqpBroker(workspace.broker_url())
    try:
        for priority, count in ((Priority.NORMAL, WAITING), (Priority.HIGH, URGENT)):
            task = Task("echo", "cpu", options=TaskOptions(priority=priority))
            for _ in range(count):
                await broker.publish(encode_task(task), exchange=TASKS, routing_key="cpu")
        order = await _order(broker)
    finally:
        await broker.close()
    last_urgent = max(place for place, priority in enumerate(order) if priority >= Priority.HIGH.amqp)
    if _version(workspace) >= (4, 0):
        assert last_urgent <= 2 * URGENT  # quorum queues hand out two urgent messages for each other one
    else:
        assert last_urgent == WAITING + URGENT - 1


def _version(workspace: Workspace) -> tuple[int, ...]:
    said = web.call("GET", f"{workspace.management_url()}api/overview").json()["rabbitmq_version"]
    return tuple(int(part) for part in said.split(".")[:2])


async def _order(broker: AmqpBroker) -> list[int]:
    order: list[int] = []
    async with asyncio.timeout(20), broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        async for delivery in subscription:
            order.append(delivery.message.priority)
            await delivery.ack()
            if len(order) == WAITING + URGENT:
                break
    return order
