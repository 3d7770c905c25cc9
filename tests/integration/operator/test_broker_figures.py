"""What a real RabbitMQ tells of its queues, when it is asked instead of Prometheus."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import TASKS, topology
from warren_operator.figures import Figure
from warren_operator.figures.broker import BrokerFigures

POOL = DEFAULT_POOLS[0]
REFRESH_SECONDS = 30
"""RabbitMQ refreshes its figures every 5 s."""


async def becomes(figures: BrokerFigures, wanted: Figure) -> None:
    async with asyncio.timeout(REFRESH_SECONDS):
        while (await figures.read([POOL.queue, "unknown"])) != {POOL.queue: wanted}:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.2)


async def test_ready_and_unacked_are_told_apart(workspace: Workspace) -> None:
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), *urls, lambda _: None)
    broker = AmqpBroker(workspace.broker_url())
    figures = BrokerFigures([workspace.servers.broker_metrics_url], urlsplit(workspace.broker_url()).path[1:])
    try:
        for _ in range(3):
            await broker.publish(Message(body=b"{}"), exchange=TASKS, routing_key=POOL.name)
        await becomes(figures, Figure(3, 0, age=0))
        async with broker.subscribe(POOL.queue, prefetch=1):
            await becomes(figures, Figure(2, 1, age=0))
    finally:
        await figures.close()
        await broker.close()
