"""A sleeping pool is woken through a real broker, by accounts that may do no more than they may in a release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS
from warren.records.memory import MemoryRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import Task
from warren.topology import topology
from warren_operator.cluster import Kind, Scale
from warren_operator.cluster.memory import MemoryCluster
from warren_operator.composition import Operator, Ports
from warren_operator.figures import Figure
from warren_operator.figures.memory import MemoryFigures
from warren_operator.settings import OperatorSettings

POOL = DEFAULT_POOLS[0]
TASKS = 5


@asynccontextmanager
async def listening(workspace: Workspace, cluster: MemoryCluster) -> AsyncIterator[Operator]:
    broker = AmqpBroker(workspace.broker_url("warren-operator"))
    figures, objects = MemoryFigures(), MemoryObjects()
    figures.queues[POOL.queue] = Figure(0, 0, age=1)
    ports = Ports(
        cluster,
        figures,
        MemoryRecords(),
        broker,
        Repository(objects, "warren"),
        Payloads(objects, "warren"),
        partial(objects.ping, "warren"),
    )
    settings = OperatorSettings(
        namespace="warren",
        broker_url=workspace.broker_url("warren-operator"),
        records_url="redis://r/",
        prometheus_url="http://p/",
    )
    operator = Operator(ports, settings)
    await operator.resync()
    await operator.pool_round()
    ear = asyncio.create_task(operator.wakes.run())
    try:
        yield operator
    finally:
        ear.cancel()
        await broker.close()


async def test_a_submitted_task_wakes_its_pool_and_what_waits_is_counted(workspace: Workspace) -> None:
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), *urls, lambda _: None)
    cluster = MemoryCluster()
    cluster.deployments["consumer"] = Scale(0, 0)
    cluster.create(Kind.CONSUMER_POOL, "cpu", {"queue": POOL.queue, "scaleTargetRef": {"name": "consumer"}})
    broker = AmqpBroker(workspace.broker_url("warren-producer"))
    submitter = Submitter(broker, MemoryRecords(), Payloads(MemoryObjects(), "warren"))
    try:
        async with listening(workspace, cluster):
            await asyncio.sleep(1)  # no round looks: whatever happens from here is the hint's doing
            await asyncio.gather(*(submitter.submit(Task(name="add", pool=POOL.name)) for _ in range(TASKS)))
            async with asyncio.timeout(10):
                while cluster.deployments["consumer"].wanted < TASKS:
                    submitter.hint(POOL.name)
                    await asyncio.sleep(0.05)
    finally:
        await broker.close()
