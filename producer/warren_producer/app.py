"""The application, put together from what it is given.

Forbidden here: making adapters; that is `main`. Deciding; that is `warren.client.intake`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from warren.client.catalog import Catalog
from warren.client.dead_letters import DeadLetters
from warren.client.deliveries import Deliveries
from warren.client.intake import Intake
from warren.client.results import Results
from warren.client.task_type import TaskType, TaskTypes
from warren.client.watch import Watch
from warren.message import Message
from warren.payloads import Payloads
from warren.topology import TASKS
from warren_producer import problems
from warren_producer.bodies import BodyLimit
from warren_producer.description import describe
from warren_producer.guard import Guard
from warren_producer.head import Head
from warren_producer.health import Check, Health
from warren_producer.load import Load
from warren_producer.metrics import MeasuredRequests, Metrics
from warren_producer.routes import (
    batches,
    dead_letters,
    deliveries,
    events,
    health,
    models,
    pools,
    results,
    task_types,
    tasks,
)
from warren_producer.services import Services

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.keyring import Keyring
    from warren.objects import ObjectStore
    from warren.records import Records
    from warren.repository import Repository
    from warren.submission import Submitter
    from warren_producer.settings import ProducerSettings

PROBE_KEY: Final = "warren.probe"
"""Cannot be a pool's: it holds a dot."""


def create_app(  # noqa: PLR0913, PLR0917 - one parameter per port
    submitter: Submitter,
    records: Records,
    broker: Broker,
    repository: Repository,
    objects: ObjectStore,
    settings: ProducerSettings,
    functions: Iterable[TaskType] = (),
    keyring: Keyring | None = None,
) -> FastAPI:
    """Return the API over these ports; `functions` are those whose pools and arguments are known here.

    With a keyring, only who has one of its keys may call.
    """
    types = TaskTypes(functions, problems.log_failed_check)
    watch = Watch(broker, records, limit=settings.max_waiting)
    checks: dict[str, Check] = {
        "broker": partial(_probe, broker),
        "records": records.ping,
        "objects": partial(objects.ping, settings.storage_bucket),
    }
    load = Load(broker, records, settings.pools)
    payloads = Payloads(objects, settings.storage_bucket, settings.storage_read_prefixes)
    services = Services(
        intake=Intake(submitter, records, watch, Catalog(repository), settings.pools, types, load.admit),
        dead_letters=DeadLetters(submitter, records, payloads, settings.pools),
        results=Results(objects),
        deliveries=Deliveries(records),
        repository=repository,
        health=Health(checks),
        metrics=Metrics(lambda: watch.viewers),
        pools=settings.pools,
        types=types,
        load=load,
        predict_seconds=settings.predict_seconds,
        max_wait_seconds=settings.max_wait_seconds,
    )
    return _assemble(services, watch, settings, keyring)


async def _probe(broker: Broker) -> None:
    """Publish a message that no queue is bound for: it proves the topology and the confirms, and goes nowhere."""
    await broker.publish(Message(b""), exchange=TASKS, routing_key=PROBE_KEY, mandatory=False)


def _assemble(services: Services, watch: Watch, settings: ProducerSettings, keyring: Keyring | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with keyring or nullcontext(), watch, services.load:
            yield

    # Its page /docs brings its own files: a closed network reaches no content delivery network.
    app = FastAPIOffline(title="Warren", redoc_url=None, redirect_slashes=False, lifespan=lifespan)
    app.state.services = services
    app.state.watch = watch
    app.openapi = partial(  # type: ignore[method-assign]  # FastAPI's documented way
        describe, app, services.types, keyed=keyring is not None, administrative=models.ADMINISTRATIVE
    )
    # Their routes as they are: `include_router` would make each anew for this application, and go through two lists.
    for resource in (tasks, batches, results, events, deliveries, dead_letters, task_types, models, pools, health):
        app.router.routes.extend(resource.router.routes)
    app.add_middleware(Head)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, together=settings.max_bodies_bytes)
    if keyring is not None:
        app.add_middleware(
            Guard,
            keyring=keyring,
            metrics=services.metrics,
            rate=settings.key_requests_per_second,
            administrative=models.ADMINISTRATIVE,
        )
    app.add_middleware(MeasuredRequests, metrics=services.metrics)
    problems.install(app)
    return app
