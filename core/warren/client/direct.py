"""Straight to the broker and the records: for programs inside the trust domain.

Forbidden here: HTTP.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from warren.broker.amqp import AmqpBroker
from warren.client.catalog import Catalog
from warren.client.documents import TaskDocument, TaskRequest
from warren.client.intake import Intake, Order
from warren.client.outcome import failure
from warren.client.watch import Watch
from warren.objects.s3 import S3Objects
from warren.pool import DEFAULT_POOLS, Pool
from warren.prediction import PredictResponse
from warren.record import State
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import Payload


class DirectGateway:
    """A way to Warren that needs no producer."""

    def __init__(
        self, broker_url: str, records_url: str, *, bucket: str, pools: tuple[Pool, ...] = DEFAULT_POOLS
    ) -> None:
        self._broker = AmqpBroker(broker_url, "warren-client")
        self._records = RedisRecords(records_url)
        self._watch = Watch(self._broker, self._records)
        objects = S3Objects()
        catalog = Catalog(Repository(objects, bucket))
        submitter = Submitter(self._broker, self._records)
        self._intake = Intake(submitter, self._records, objects, self._watch, catalog, pools)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Connect, and begin to listen for replies."""
        self._stack.push_async_callback(self._records.close)
        self._stack.push_async_callback(self._broker.close)
        await self._broker.open()
        await self._stack.enter_async_context(self._watch)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._stack.aclose()

    async def submit(self, request: TaskRequest, key: str) -> TaskDocument:
        """Accept a task, once per idempotency key."""
        return TaskDocument.of(await self._intake.submit(request, Order(key=key, reply=True)))

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds are over."""
        return TaskDocument.of(await self._intake.read(task_id, wait_seconds=wait_seconds))

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""
        return TaskDocument.of(await self._intake.cancel(task_id))

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds."""
        record = await self._intake.predict(model, payload, seconds, Order(wait_seconds=seconds))
        if record.state is not State.SUCCEEDED or record.result is None:
            raise failure(record.id, record.name, record.state, record.error)
        return PredictResponse.model_validate_json(record.result)
