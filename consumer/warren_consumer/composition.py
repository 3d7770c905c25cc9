"""The composition root: adapters, the member of the pool, and the life around it.

Forbidden here: decisions.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog

from warren.broker.amqp import AmqpBroker
from warren.collector import settle_in
from warren.errors import SettingsError
from warren.keyring import Keyring
from warren.objects.s3 import S3Objects
from warren.outbound.addresses import Allowed
from warren.outbound.transport import Outbound
from warren.payloads import Payloads
from warren.pool import Pool
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren_consumer import work
from warren_consumer.closing import Closing
from warren_consumer.depths.rabbitmq import RabbitDepths
from warren_consumer.events import Events
from warren_consumer.functions.containment import contain
from warren_consumer.functions.executors import Executors
from warren_consumer.health import Health, served
from warren_consumer.metrics import Metrics
from warren_consumer.results import Results
from warren_consumer.runtime import Member, Probe, Runtime
from warren_consumer.settings import ConsumerSettings
from warren_consumer.system.assembly import Means, assemble
from warren_consumer.system.duties import Duties
from warren_consumer.system.metrics import SystemMetrics
from warren_consumer.system.webhooks.signature import Signer
from warren_consumer.worker import Terms, Worker

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Parts:
    """What a consumer is put together from."""

    settings: ConsumerSettings
    consumer: str
    broker: AmqpBroker = field(init=False)
    records: RedisRecords = field(init=False)
    objects: S3Objects = field(init=False)
    depths: RabbitDepths | None = field(init=False, default=None)
    events: Events = field(init=False)
    metrics: Metrics = field(init=False)
    executors: Executors = field(init=False)
    outbound: Outbound | None = field(init=False, default=None)
    keyring: Keyring | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Make the adapters; none of them connects yet."""
        self.broker = AmqpBroker(self.settings.broker_url, f"warren-consumer {self.consumer}")
        self.records = RedisRecords(self.settings.records_url)
        self.objects = S3Objects()
        self.events = Events(self.broker)
        if self.settings.broker_metrics_url:
            self.depths = RabbitDepths(self.settings.broker_metrics_url.split(), self.settings.broker_url)
        self.metrics = Metrics(self.settings.pool)
        self.executors = Executors(self.settings.slots)

    def probes(self) -> dict[str, Probe]:
        """Return how to tell whether what this pool depends on answers."""
        probes: dict[str, Probe] = {"broker": self.broker.ping, "records": self.records.ping}
        if self.settings.served_pool is not None:
            probes["storage"] = lambda: self.objects.ping(self.settings.storage_bucket)
        return probes

    def member(self) -> Member:
        """Return what works for the pool."""
        pool = self.settings.served_pool
        return self._duties() if pool is None else self._worker(pool)

    def _worker(self, pool: Pool) -> Worker:
        settings, bucket = self.settings, self.settings.storage_bucket
        registrations = work.registrations(
            pool, settings, self.objects, Repository(self.objects, bucket), self.executors
        )
        results = Results(self.objects, bucket)
        closing = Closing(pool, self.broker, self.records, results, self.events, settings.result_ttl_seconds)
        terms = Terms(pool, self.consumer, settings.slots, settings.lease_seconds)
        payloads = Payloads(self.objects, bucket, settings.storage_read_prefixes)
        return Worker(terms, self.broker, self.records, registrations, payloads, closing, self.events, self.metrics)

    def _duties(self) -> Duties:
        settings = self.settings
        if self.depths is None:
            log.warning("lost tasks are not looked for: WARREN_BROKER_METRICS_URL is not set")
        if not settings.webhook_secrets:
            log.warning("webhooks of tasks without an API key are not signed: WARREN_WEBHOOK_SECRETS is not set")
        if settings.keys_dir is not None:
            self.keyring = Keyring(settings.keys_dir)
        self.outbound = Outbound(Allowed.parse(settings.callback_allow))
        return assemble(
            Means(
                settings.pools,
                self.broker,
                self.records,
                self.objects,
                settings.storage_bucket,
                self.events,
                SystemMetrics(self.metrics.registry),
                self.depths,
                settings.result_ttl_seconds,
                self.outbound,
                Signer(settings.webhook_secrets, self.keyring),
            )
        )


async def serve(settings: ConsumerSettings) -> None:
    """Put a consumer together and run it until a signal.

    Raises:
        SettingsError: a port or a module of tasks that the settings name cannot be had.
        UnavailableError: a dependency refuses in a way that waiting cannot mend.

    """
    asyncio.get_running_loop().set_task_factory(contain)
    parts = Parts(settings, f"{settings.pool}/{socket.gethostname()}/{uuid.uuid4().hex[:8]}")
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.records.close)
        stack.push_async_callback(parts.broker.close)
        stack.push_async_callback(parts.executors.close)
        if parts.depths is not None:
            stack.push_async_callback(parts.depths.close)
        member = parts.member()
        if parts.outbound is not None:
            await stack.enter_async_context(parts.outbound)
        if parts.keyring is not None:
            await stack.enter_async_context(parts.keyring)
        probes = parts.probes()
        health = Health([*probes, "consuming"])
        if settings.metrics_port:
            _serve_health(stack, health, parts.metrics, settings.metrics_port)
        runtime = Runtime(
            member,
            parts.events,
            health,
            probes,
            parts.executors.worn,
            beat_seconds=settings.lease_seconds / 3,
            grace_seconds=settings.grace_seconds,
            hand_back_seconds=settings.hand_back_seconds,
        )
        runtime.obey_signals()
        settle_in()
        await runtime.run()


def _serve_health(stack: AsyncExitStack, health: Health, metrics: Metrics, port: int) -> None:
    try:
        stack.enter_context(served(health, metrics.registry, port))
    except OSError as error:
        raise SettingsError(f"WARREN_METRICS_PORT: port {port} cannot be had: {error.strerror}") from error
