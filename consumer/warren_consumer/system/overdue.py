"""Replies that are overdue: the task ended, and whoever ended it could not tell, or died before.

A reply is tried for as long as a result lives. One that cannot be sent (its queue is full, say) keeps no other waiting.

Forbidden here: deciding how a task ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import UnavailableError
from warren_consumer.system.endings import life_seconds

if TYPE_CHECKING:
    from warren.record import Record
    from warren.records import Records
    from warren_consumer.replies import Replies

EVERY_SECONDS: Final = 2.0
OVERDUE_SECONDS: Final = 10.0
"""How long the consumer that ended a task has to send the reply itself."""
AT_ONCE: Final = 100

log = structlog.get_logger(__name__)


class Overdue:
    """Sends the replies that nobody sent."""

    def __init__(self, records: Records, replies: Replies, *, result_ttl_seconds: float) -> None:
        self._records = records
        self._replies = replies
        self._patience = result_ttl_seconds
        # Nothing tells whether the task's message was acknowledged.
        self._ttl = life_seconds(result_ttl_seconds, message_gone=False)

    async def once(self) -> None:
        """Send all that are overdue; where none of a hundred can be sent, the rest is left for the next time.

        Raises:
            RecordsUnavailableError: likewise.

        """
        while late := await self._records.due(older_than_seconds=OVERDUE_SECONDS, limit=AT_ONCE):
            if not any(await asyncio.gather(*map(self._see_to, late))):
                return

    async def _see_to(self, record: Record) -> bool:
        """Send the reply, or give it up; return whether it is due no more."""
        if record.now - (record.finished_at or 0.0) > self._patience:
            log.warning("a reply that could not be sent is given up", task=record.id, reply_to=record.reply_to)
            await self._records.settle(record.id, ttl_seconds=self._ttl)
            return True
        try:
            await self._replies.send(record, ttl_seconds=self._ttl)
        except UnavailableError as error:
            log.warning("a reply is left to be sent later", task=record.id, problem=error.detail)
            return False
        return True
