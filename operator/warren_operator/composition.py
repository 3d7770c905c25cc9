"""Puts the operator together: the only place that knows every adapter.

Forbidden here: decisions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

import structlog

from warren.broker import Broker
from warren.broker.amqp import AmqpBroker
from warren.clock import SteadyClock, SystemClock
from warren.errors import UnavailableError
from warren.objects.s3 import S3Objects
from warren.payloads import Payloads
from warren.records import Records
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren_operator.cluster import Cluster, Kind
from warren_operator.cluster.api import ApiCluster
from warren_operator.figures import Consumers, Figures
from warren_operator.figures.broker import BrokerFigures
from warren_operator.figures.consumers import WebConsumers
from warren_operator.figures.history import EmptyQueues
from warren_operator.figures.prometheus import PrometheusFigures
from warren_operator.figures.reserve import ReserveFigures
from warren_operator.health import LOOK_SECONDS, Check, Dependencies, served
from warren_operator.loop import Loop
from warren_operator.mljob.actor import Actor
from warren_operator.mljob.observer import Observer
from warren_operator.mljob.reconciler import JobReconciler
from warren_operator.pool.reconciler import PoolReconciler
from warren_operator.settings import OperatorSettings
from warren_operator.wakes import Wakes
from warren_operator.watch import Interest, watch
from warren_operator.watched import Watched

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside of this process."""

    cluster: Cluster
    figures: Figures
    records: Records
    broker: Broker
    models: Repository
    payloads: Payloads
    storage: Check
    """Raises what is wrong with the object storage, if anything is."""
    consumers: Consumers
    clock: SteadyClock = field(default_factory=SystemClock)

    async def close(self) -> None:
        """Close all connections."""
        for port in (self.cluster, self.figures, self.records, self.broker, self.consumers):
            await port.close()


class Operator:
    """The loops with what they share."""

    def __init__(self, ports: Ports, settings: OperatorSettings) -> None:
        self._cluster = ports.cluster
        self.jobs = Watched(ports.cluster, Kind.MLJOB)
        self.pools = Watched(ports.cluster, Kind.CONSUMER_POOL)
        empty = EmptyQueues(settings.fresh_seconds)
        observer = Observer(ports.records, ports.models, empty, settings.pools, ports.clock)
        actor = Actor(
            ports.cluster,
            ports.records,
            Submitter(ports.broker, ports.records, ports.payloads),
            empty,
            result_ttl_seconds=settings.result_ttl_seconds,
        )
        jobs = JobReconciler(ports.cluster, observer, actor, self.jobs, ports.clock)
        pools = PoolReconciler(
            ports.cluster,
            ports.figures,
            ports.broker,
            self.pools,
            empty,
            ports.consumers,
            ports.clock,
            queues=[pool.queue for pool in settings.pools],
            fresh_seconds=settings.fresh_seconds,
        )
        self.job_round, self.pool_round = jobs.round, pools.round
        self.job_loop = Loop("mljobs", jobs.round, ports.clock, period=settings.tick_seconds)
        self.pool_loop = Loop("consumerpools", pools.round, ports.clock, period=settings.tick_seconds)
        self._list_loop = Loop("resync", self.resync, ports.clock, period=settings.resync_seconds)
        self.wakes = Wakes(ports.broker, pools.wake, pools.miss)
        self.dependencies = Dependencies(
            "kubernetes",
            {
                "kubernetes": partial(ports.cluster.list, Kind.CONSUMER_POOL),
                "prometheus": pools.check,
                "broker": ports.broker.ping,
                "records": ports.records.ping,
                "objects": ports.storage,
            },
        )
        self._health_loop = Loop("dependencies", self.dependencies.look, ports.clock, period=LOOK_SECONDS)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All loops."""
        return (self._list_loop, self.job_loop, self.pool_loop, self._health_loop)

    @property
    def interests(self) -> tuple[Interest, ...]:
        """What to watch, and for whom."""
        return (
            Interest(Kind.MLJOB, self.jobs, self.job_loop),
            Interest(Kind.CONSUMER_POOL, self.pools, self.pool_loop),
        )

    async def resync(self) -> None:
        """List everything anew: a watch may have died, or missed a deletion."""
        for interest in self.interests:
            interest.watched.replace(await self._cluster.list(interest.kind))
            interest.loop.hasten()

    async def begin(self) -> None:
        """Let the loops run."""
        self._tasks = [asyncio.create_task(loop.run(), name=loop.name) for loop in self.loops]
        self._tasks.append(asyncio.create_task(self.wakes.run(), name="wakes"))

    async def end(self) -> None:
        """Let the loops end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def serve(settings: OperatorSettings) -> None:
    """Run the operator until the process is told to stop.

    Raises:
        UnavailableError: there is no way to a Kubernetes API, or the port of health and metrics cannot be had.

    """
    ports = await _connect(settings)
    try:
        operator = Operator(ports, settings)
        with served(operator.loops, operator.dependencies, settings.metrics_port) as port:
            _LOG.info("the operator begins", namespace=settings.namespace, metrics_port=port)
            await watch(settings.namespace, operator.interests, operator.begin, operator.end)
    except OSError as error:
        raise UnavailableError(f"port {settings.metrics_port} (WARREN_METRICS_PORT): {error}") from error
    finally:
        await ports.close()


async def _connect(settings: OperatorSettings) -> Ports:
    """Return the real ports; each connects by itself when it is first used, and again after an outage."""
    objects = S3Objects()
    return Ports(
        cluster=await ApiCluster.connect(settings.namespace),
        figures=_figures(settings),
        records=RedisRecords(settings.records_url),
        broker=AmqpBroker(settings.broker_url, "warren-operator"),
        models=Repository(objects, settings.storage_bucket),
        payloads=Payloads(objects, settings.storage_bucket),
        storage=partial(objects.ping, settings.storage_bucket),
        consumers=WebConsumers(),
    )


def _figures(settings: OperatorSettings) -> Figures:
    prometheus = PrometheusFigures(settings.prometheus_url, settings.vhost, settings.namespace)
    if settings.broker_metrics_url is None:
        return prometheus
    broker = BrokerFigures(settings.broker_metrics_url.split(), settings.vhost)
    return ReserveFigures(prometheus, broker, SystemClock(), fresh_seconds=settings.fresh_seconds)
