"""The broker's dead letters, into records: whatever the broker gave up on ends as a record or is published again.

Forbidden here: leaving a dead letter without either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from warren.errors import InvalidRequestError, UnavailableError
from warren.message import decode_task
from warren.record import Claim, Outcome, State, TaskError, Verdict
from warren.tasks import Payload, Task, new_task_id
from warren.topology import TASKS
from warren_consumer.closing import REASON_HEADER, fresh
from warren_consumer.patience import insist

if TYPE_CHECKING:
    from warren.broker import Broker, Delivery
    from warren.message import Message
    from warren.pool import Pool
    from warren.records import Records
    from warren_consumer.replies import Replies

AT_ONCE: Final = 10
SUBSCRIBE_AGAIN_SECONDS: Final = 5.0
REJECTED: Final = "rejected"
"""RabbitMQ's word for a message that its worker refused; its other reasons say that it merely went round too often."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What lies in a dead-letter queue, as the task that its record will be of."""

    task: Task
    error: TaskError | None
    """Why the task has to end; None where it may be tried again."""


class DeadLetters:
    """Empties the dead-letter queues of the pools."""

    def __init__(
        self, broker: Broker, records: Records, replies: Replies, *, consumer: str, result_ttl_seconds: float
    ) -> None:
        self._broker = broker
        self._records = records
        self._replies = replies
        self._consumer = consumer
        self._ttl = result_ttl_seconds

    async def drain(self, pool: Pool) -> None:
        """Empty one pool's queue, until cancelled."""
        while True:
            try:
                async with self._broker.subscribe(pool.dead_letter_queue, prefetch=AT_ONCE) as subscription:
                    async for delivery in subscription:
                        await self.take(delivery, pool)
            except UnavailableError as error:
                log.warning("dead letters are not read", pool=pool.name, problem=error.detail)
            await asyncio.sleep(SUBSCRIBE_AGAIN_SECONDS)

    async def take(self, delivery: Delivery, pool: Pool) -> None:
        """See to one dead letter, then ack it."""
        letter = read(delivery.message, pool)
        if letter.error is None:
            await insist(lambda: self._try_again(letter.task, delivery), what="reviving a dead letter")
        else:
            error = letter.error
            await insist(lambda: self._end(letter.task, error, delivery), what="recording a dead letter")
        await delivery.ack()

    async def _try_again(self, task: Task, delivery: Delivery) -> None:
        record = (await self._records.read([task.id]))[0]
        if record is not None and record.state.terminal:
            await self._replies.send(record, ttl_seconds=self._ttl)
            return
        await self._broker.publish(fresh(delivery.message), exchange=TASKS, routing_key=task.pool)
        log.info("a dead letter was published again", task=task.id, pool=task.pool)

    async def _end(self, task: Task, error: TaskError, delivery: Delivery) -> None:
        claim = await self._records.claim(task, self._consumer, alone=True)
        match claim.verdict:
            case Verdict.CLAIMED | Verdict.ADOPTED:
                await self._fail(claim, task, error)
            case Verdict.ENDED | Verdict.POISON | Verdict.EXPIRED:
                await self._replies.send(claim.record, ttl_seconds=self._ttl)
            case _:
                await self._broker.publish(fresh(delivery.message), exchange=TASKS, routing_key=task.pool)

    async def _fail(self, claim: Claim, task: Task, error: TaskError) -> None:
        outcome = Outcome(State.FAILED, error=error, payload=task.payload.body, payload_type=task.payload.content_type)
        if claim.lease is not None and await self._records.finish(claim.lease, task, outcome):
            failed = claim.record.model_copy(update={"state": State.FAILED, "error": error})
            await self._replies.send(failed, ttl_seconds=self._ttl)
        log.warning("a dead letter was recorded", task=task.id, pool=task.pool, code=error.code, problem=error.message)


def read(message: Message, pool: Pool) -> DeadLetter:
    """Tell what task a dead letter is of, and whether it has to end."""
    try:
        task = decode_task(message, pool.name)
    except InvalidRequestError as error:
        return DeadLetter(_nameless(message, pool), TaskError(code="invalid-message", message=error.detail))
    said = message.headers.get(REASON_HEADER)
    if said is not None:
        return DeadLetter(task, TaskError(code="invalid-message", message=str(said)))
    if _reason(message.headers) == REJECTED:
        return DeadLetter(task, TaskError(code="rejected", message="a worker of the pool refused the message"))
    return DeadLetter(task, None)


def _nameless(message: Message, pool: Pool) -> Task:
    payload = Payload(message.body, message.content_type or "application/octet-stream")
    return Task(message.type or "unknown", pool.name, payload, id=message.message_id or new_task_id())


def _reason(headers: Mapping[str, Any]) -> str | None:
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else {}
    return newest.get("reason") if isinstance(newest, Mapping) else None
