"""A sleeping pool is woken through a real broker, by accounts that may do no more than they may in a release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
from warren_operator.figures.memory import MemoryConsumers, MemoryFigures
from warren_operator.settings import OperatorSettings

POOL = DEFAULT_POOLS[0]
TASKS = 5


@dataclass(frozen=True)
class Stage:
    """An operator that listens, and whom it hears."""

    operator: Operator
    cluster: MemoryCluster
    figures: MemoryFigures
    submitter: Submitter

    @property
    def wanted(self) -> int:
        """How many replicas the pool is set to."""
        return self.cluster.deployments["consumer"].wanted


@asynccontextmanager
async def listening(workspace: Workspace, **spec: object) -> AsyncIterator[Stage]:
    """Let the operator look once and then only listen: whatever happens from here is the hints' doing."""
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), *urls, lambda _: None)
    cluster, figures, objects = MemoryCluster(), MemoryFigures(), MemoryObjects()
    cluster.deployments["consumer"] = Scale(0, 0)
    cluster.create(Kind.CONSUMER_POOL, "cpu", {"queue": POOL.queue, "scaleTargetRef": {"name": "consumer"}, **spec})
    figures.queues[POOL.queue] = Figure(0, 0, age=1)
    own, other = (AmqpBroker(workspace.broker_url(f"warren-{name}")) for name in ("operator", "producer"))
    payloads = Payloads(objects, "warren")
    ping = partial(objects.ping, "warren")
    models = Repository(objects, "warren")
    ports = Ports(cluster, figures, MemoryRecords(), own, models, payloads, ping, MemoryConsumers())
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
    await asyncio.sleep(1)
    try:
        yield Stage(operator, cluster, figures, Submitter(other, MemoryRecords(), payloads))
    finally:
        ear.cancel()
        await own.close()
        await other.close()


async def test_a_submitted_task_wakes_its_pool_and_what_waits_is_counted(workspace: Workspace) -> None:
    async with listening(workspace) as stage:
        await asyncio.gather(*(stage.submitter.submit(Task(name="add", pool=POOL.name)) for _ in range(TASKS)))
        async with asyncio.timeout(10):
            while stage.wanted < TASKS:
                stage.submitter.hint(POOL.name)
                await asyncio.sleep(0.05)


async def test_a_task_that_comes_the_moment_after_the_last_replica_is_sent_away_wakes_its_pool(
    workspace: Workspace,
) -> None:
    """The last figures still tell of a consumer and of nothing that waits."""
    async with listening(workspace, scaleDown={"stabilizationSeconds": 0}) as stage:
        stage.figures.queues[POOL.queue] = Figure(0, 1, age=1, consumers=1)
        await stage.operator.pool_round()
        assert stage.wanted == 1
        stage.figures.queues[POOL.queue] = Figure(0, 0, age=1, consumers=1)
        await stage.operator.pool_round()
        assert stage.wanted == 0
        await stage.submitter.submit(Task(name="add", pool=POOL.name))
        async with asyncio.timeout(10):
            while not stage.wanted:  # noqa: ASYNC110 - the cluster in memory tells nobody
                await asyncio.sleep(0.005)
