"""Submitting a task: the one procedure that the producer, the operator and the direct client share.

Write the record `queued` (only if absent), publish with confirm, mark it accepted. Whatever dies in between, the same
submission again ends in one task: the idempotency key, or the task id itself, finds what is there.

Forbidden here: imports of adapters, and what a task means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warren.message import encode_task
from warren.record import Record, Submission
from warren.topology import TASKS, delay_route

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.records import Records
    from warren.tasks import Task


class Submitter:
    """Brings tasks into their pools' queues, each exactly once per id and idempotency key."""

    def __init__(self, broker: Broker, records: Records) -> None:
        self._broker = broker
        self._records = records

    async def submit(self, task: Task, *, scope: str = "") -> Record:
        """Accept the task and return its record; after that, nothing is lost.

        Submitted again under the same id, or the same idempotency key within `scope` (whose keys they are), it is the
        record of the first time that comes back.

        Raises:
            IdempotencyConflictError: the key was used with another body.
            UnroutableError: the pool has no queue.
            BrokerUnavailableError: nothing was accepted; the same call may succeed later.
            RecordsUnavailableError: likewise.

        """
        submission, record = await self._records.create(task, scope=scope)
        if submission is not Submission.ACCEPTED:
            await self.publish(task, record)
            await self._records.accept(record.id)
        return record

    async def publish(self, task: Task, record: Record) -> None:
        """Publish the message of a task whose record is written; a record that ended meanwhile needs none."""
        if record.state.terminal:
            return
        message = encode_task(task, task_id=record.id, expires_at=record.expires_at)
        exchange, key = self._route(task, record)
        await self._broker.publish(message, exchange=exchange, routing_key=key)

    @staticmethod
    def _route(task: Task, record: Record) -> tuple[str, str]:
        """Return where the message goes: what is left of a delay counts, not the delay that was asked for once."""
        wait = round(record.due_at - record.now, 3) if record.due_at else 0
        return delay_route(wait, task.pool) if wait > 0 else (TASKS, task.pool)
