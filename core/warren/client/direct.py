"""Straight to the broker and the records: for programs inside the trust domain.

Forbidden here: HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import TypeVar

from warren.broker.amqp import AmqpBroker
from warren.client.batch import Batches, BatchItem, Fate
from warren.client.catalog import Catalog
from warren.client.dead_letter import (
    DeadLetter,
    DeadLetterDetail,
    DeadLetterPage,
    DeadLetterQuery,
    DiscardMany,
    Replay,
    ReplayMany,
    Treatment,
)
from warren.client.dead_letters import DeadLetters
from warren.client.deliveries import Deliveries, WebhookDocument
from warren.client.documents import TaskDocument, TaskRequest
from warren.client.gateway import POLL_SECONDS
from warren.client.intake import Intake, Order
from warren.client.outcome import failure
from warren.client.results import Results
from warren.client.watch import Watch
from warren.objects.s3 import S3Objects
from warren.patience import patiently
from warren.payloads import Payloads
from warren.pool import DEFAULT_POOLS, Pool
from warren.prediction import PredictResponse
from warren.record import Record, State
from warren.records.redis import RedisRecords
from warren.repository import Repository
from warren.submission import Submitter
from warren.tasks import Payload

T = TypeVar("T")


class DirectGateway:
    """A way to Warren that needs no producer. While broker or records are away, each call is made again for a while."""

    def __init__(
        self,
        broker_url: str,
        records_url: str,
        *,
        bucket: str,
        patience: float,
        pools: tuple[Pool, ...] = DEFAULT_POOLS,
    ) -> None:
        self._patience = patience
        self._broker = AmqpBroker(broker_url, "warren-client")
        self._records = RedisRecords(records_url)
        self._watch = Watch(self._broker, self._records)
        objects = S3Objects()
        catalog = Catalog(Repository(objects, bucket))
        payloads = Payloads(objects, bucket)
        submitter = Submitter(self._broker, self._records, payloads, patience=patience)
        self._intake = Intake(submitter, self._records, self._watch, catalog, pools)
        self._results = Results(objects)
        self._dead_letters = DeadLetters(submitter, self._records, payloads, pools)
        self._deliveries = Deliveries(self._records)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Connect, and begin to listen for replies.

        Raises:
            BrokerUnavailableError: the broker did not answer for a while, or refuses the credentials.

        """
        self._stack.push_async_callback(self._records.close)
        self._stack.push_async_callback(self._broker.close)
        await self._again(self._broker.open)
        await self._stack.enter_async_context(self._watch)
        await self._watch.ready()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._stack.aclose()

    async def submit(self, request: TaskRequest, key: str | None) -> str:
        """Accept a task, once per idempotency key, and return its id."""
        return (await self._intake.submit(request, Order(key=key, reply=True))).id

    async def submit_many(self, items: Sequence[BatchItem]) -> list[Fate[str]]:
        """Accept tasks, each for itself and once per its idempotency key; return their ids, or why not, in order."""
        fates = await Batches(self._intake, reply=True).submit(items)
        return [fate.id if isinstance(fate, Record) else fate for fate in fates]

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:
        """Return how a task stands, when it has ended or when the seconds, `POLL_SECONDS` at most, are over."""
        seconds = min(wait_seconds, POLL_SECONDS)
        return TaskDocument.of(await self._again(lambda: self._intake.read(task_id, wait_seconds=seconds)))

    async def result(self, task_id: str) -> Payload:
        """Return the bytes that a task returned."""
        record = await self._again(lambda: self._intake.read(task_id))
        return await self._again(lambda: self._results.read(record))

    async def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task unless it has ended; return how it stands."""
        return TaskDocument.of(await self._again(lambda: self._intake.cancel(task_id)))

    async def deliveries(self, task_id: str) -> WebhookDocument:
        """Return what became of a task's webhook."""
        return await self._again(lambda: self._deliveries.read(task_id))

    async def redeliver(self, task_id: str) -> WebhookDocument:
        """Send the webhook of a task that has ended once more."""
        return await self._again(lambda: self._deliveries.again(task_id))

    async def predict(self, model: str, payload: Payload, seconds: float) -> PredictResponse:
        """Run a model on inputs, within the seconds."""
        record = await self._intake.predict(model, payload, seconds, Order(wait_seconds=seconds))
        if record.state is not State.SUCCEEDED:
            raise failure(record.id, record.name, record.state, record.error)
        return PredictResponse.model_validate_json((await self._results.read(record)).body)

    async def dead_letters(self, query: DeadLetterQuery) -> DeadLetterPage:
        """Return a page of the dead letters."""
        return await self._again(lambda: self._dead_letters.page(query))

    async def dead_letter(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of a dead letter."""
        return await self._again(lambda: self._dead_letters.read(task_id))

    async def replay(self, task_id: str, how: Replay) -> TaskDocument:
        """Submit a failed task anew; return how the new one stands."""
        return TaskDocument.of(await self._again(lambda: self._dead_letters.replay(task_id, how)))

    async def replay_many(self, which: ReplayMany) -> Treatment:
        """Submit failed tasks anew."""
        return await self._again(lambda: self._dead_letters.replay_many(which))

    async def discard(self, task_id: str) -> DeadLetter:
        """Strike a dead letter off and drop its payload."""
        return await self._again(lambda: self._dead_letters.discard(task_id))

    async def discard_many(self, which: DiscardMany) -> Treatment:
        """Strike dead letters off and drop their payloads."""
        return await self._again(lambda: self._dead_letters.discard_many(which))

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(call, self._patience)
