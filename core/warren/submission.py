"""Submitting a task: the one procedure that the producer, the operator and the direct client share.

Write the record `queued` (only if absent), store a payload that is too large for a message, publish with confirm, mark
it accepted. Whatever dies in between, the same submission again ends in one task: the idempotency key, or the task id
itself, finds what is there.

Forbidden here: imports of adapters, and what a task means.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from warren.errors import UnavailableError
from warren.event import encode_event, encode_wake
from warren.message import encode_task
from warren.patience import patiently
from warren.record import Record, Submission
from warren.topology import EVENTS, TASKS, delay_route

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.message import Message
    from warren.payloads import Payloads
    from warren.records import Records
    from warren.tasks import Task

HINT_SECONDS: Final = 1.0
"""How often a process tells of a pool that work comes for it."""


class Submitter:
    """Brings tasks into their pools' queues, each exactly once per id and idempotency key.

    With some `patience` it tries for so many seconds while something is away; without, its caller is told at once.
    """

    def __init__(self, broker: Broker, records: Records, payloads: Payloads, *, patience: float = 0.0) -> None:
        self._broker = broker
        self._records = records
        self._payloads = payloads
        self._patience = patience
        self._hinted: dict[str, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def submit(self, task: Task) -> Record:
        """Accept the task and return its record; after that, nothing is lost.

        Submitted again under the same id, or by the same caller under the same idempotency key, it is the record of the
        first time that comes back.

        Raises:
            IdempotencyConflictError: the key was used with another body.
            UnroutableError: the pool has no queue.
            BrokerUnavailableError: it is not known to be accepted; the same call may succeed later.
            RecordsUnavailableError: likewise.
            StorageUnavailableError: likewise; the payload is too large for a message.

        """
        payload = await self._payloads.digested(task.payload)
        task = task if payload is task.payload else replace(task, payload=payload)
        return await patiently(lambda: self._submit(task), self._patience)

    async def _submit(self, task: Task) -> Record:
        submission, record = await self._records.create(task)
        if submission is not Submission.ACCEPTED:
            await self.publish(task, record)
            await self._records.accept(record.id)
        return record

    async def publish(self, task: Task, record: Record) -> None:
        """Publish the message of a task whose record is written; a record that ended meanwhile needs none."""
        if record.state.terminal:
            return
        exchange, key = self._route(task, record)
        if exchange == TASKS:
            self.hint(task.pool)
        payload = await self._payloads.store(record.id, task.payload)
        task = task if payload is task.payload else replace(task, payload=payload)
        message = encode_task(task, task_id=record.id, expires_at=record.expires_at)
        await self._broker.publish(message, exchange=exchange, routing_key=key)

    def hint(self, pool: str) -> None:
        """Tell the autoscaler that the pool has work, so that one that sleeps starts at once.

        It is told once a second at most, delays nobody, and is lost without a word where it cannot be sent.
        """
        now = asyncio.get_running_loop().time()
        if now - self._hinted.get(pool, -HINT_SECONDS) < HINT_SECONDS:
            return
        self._hinted[pool] = now
        self._send_off(encode_wake(pool))

    def tell(self, record: Record) -> None:
        """Tell whoever listens of the record's present state, as best one can; nobody is delayed."""
        self._send_off(encode_event(record))

    def _send_off(self, message: Message) -> None:
        sending = asyncio.create_task(self._announce(message))
        self._under_way.add(sending)
        sending.add_done_callback(self._under_way.discard)

    async def _announce(self, message: Message) -> None:
        with suppress(UnavailableError):
            await self._broker.publish(message, exchange=EVENTS, routing_key=message.type or "", mandatory=False)

    @staticmethod
    def _route(task: Task, record: Record) -> tuple[str, str]:
        """Return where the message goes: what is left of a delay counts, not the delay that was asked for once."""
        wait = round(record.due_at - record.now, 3) if record.due_at else 0
        return delay_route(wait, task.pool) if wait > 0 else (TASKS, task.pool)
