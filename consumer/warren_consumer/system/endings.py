"""Telling of the ends that the system pool brings about: an event, and the reply.

Forbidden here: deciding how a task ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from warren.errors import UnavailableError
from warren.tasks import MAX_DELAY_SECONDS

if TYPE_CHECKING:
    from warren.record import Record
    from warren.records import Records
    from warren_consumer.events import Events
    from warren_consumer.replies import Replies

log = structlog.get_logger(__name__)


def life_seconds(result_ttl_seconds: float, *, message_gone: bool) -> float:
    """Return how long the record of an ended task lives.

    A message that was not acknowledged may wait on the delay ladder yet, and must find its record when it arrives.
    """
    return result_ttl_seconds if message_gone else MAX_DELAY_SECONDS + result_ttl_seconds


class Endings:
    """Tells of records that have just ended. What could not be told stays due; `overdue` sees to it."""

    def __init__(self, records: Records, replies: Replies, events: Events, *, result_ttl_seconds: float) -> None:
        self._records = records
        self._replies = replies
        self._events = events
        self._ttl = result_ttl_seconds

    async def tell(self, task_ids: Sequence[str], *, message_gone: bool) -> None:
        """Tell of the records that ended under these ids, and let their lives begin to run out."""
        try:
            found = await self._records.read(task_ids)
        except UnavailableError as error:
            log.warning("ends are left to be told later", count=len(task_ids), problem=error.detail)
            return
        ended = [record for record in found if record is not None and record.state.terminal]
        for record in ended:
            self._events.tell(record)
        ttl_seconds = life_seconds(self._ttl, message_gone=message_gone)
        await asyncio.gather(*(self._reply(record, ttl_seconds) for record in ended))

    async def let_live(self, task_id: str) -> None:
        """Let the life of an ended record begin, if possible: the task's message is gone. Its reply may be due yet."""
        with suppress(UnavailableError):
            await self._records.settle(task_id, ttl_seconds=self._ttl, told=False)

    async def tell_begun(self, task_id: str) -> None:
        """Tell, if possible, that an attempt has begun of which no consumer of Warren's knows."""
        with suppress(UnavailableError):
            for record in filter(None, await self._records.read([task_id])):
                self._events.tell(record)

    async def _reply(self, record: Record, ttl_seconds: float) -> None:
        try:
            await self._replies.send(record, ttl_seconds=ttl_seconds)
        except UnavailableError as error:
            log.warning("a reply is left to be sent later", task=record.id, problem=error.detail)
