"""The composition root: settings, adapters, server.

Forbidden here: anything that a test would want to reach.
"""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import Final

import structlog
import uvicorn
import uvloop

from warren import logs
from warren.broker.amqp import AmqpBroker
from warren.client.task_type import TaskType
from warren.collector import settle_in
from warren.errors import SettingsError
from warren.function import find_functions
from warren.keyring import Keyring
from warren.objects.s3 import S3Objects
from warren.payloads import Payloads
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren.settings import load
from warren.submission import Submitter
from warren_producer.app import create_app
from warren_producer.server import Connection, Server
from warren_producer.settings import ProducerSettings

ANSWER_SECONDS: Final = 2.0
"""How long before the end of the time for requests under way those that wait for tasks are answered."""

STORAGE_SECONDS: Final = 4
"""How long a request waits for the storage, twice at most: whoever sent it is told to try again before it gives up."""

WRONG_SETTINGS: Final = 2

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the producer until it is told to stop; exit 2 when a setting is wrong."""
    try:
        settings = load(ProducerSettings)
        logs.configure(settings)
        keyring = None if settings.keys_dir is None else Keyring(settings.keys_dir)
        functions = [function.type for function in find_functions().values()]
    except SettingsError as error:
        sys.stderr.write(f"warren-producer: {error.detail}\n")
        sys.exit(WRONG_SETTINGS)
    uvloop.run(_serve(settings, functions, keyring))


async def _serve(settings: ProducerSettings, functions: list[TaskType], keyring: Keyring | None) -> None:
    broker = AmqpBroker(settings.broker_url, "warren-producer")
    records = RedisRecords(settings.records_url)
    objects = S3Objects(read_seconds=STORAGE_SECONDS)
    repository = Repository(objects, settings.storage_bucket)
    submitter = Submitter(broker, records, Payloads(objects, settings.storage_bucket))
    app = create_app(submitter, records, broker, repository, objects, settings, functions, keyring)
    server = Server(
        uvicorn.Config(
            app,
            http=Connection,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=round(settings.shutdown_seconds),
            server_header=False,
        ),
        closing=partial(app.state.watch.dismiss, max(0.0, settings.shutdown_seconds - ANSWER_SECONDS)),
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # uvicorn obeys them, then raises them again: closing comes first
    settle_in()
    log.info("listening", url=f"http://{settings.host}:{settings.port}", docs="/docs")
    try:
        await server.serve()
    finally:
        await broker.close()
        await records.close()
