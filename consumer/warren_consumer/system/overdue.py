"""Replies that are overdue: the task ended, and whoever ended it could not tell, or died before.

Forbidden here: deciding how a task ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from warren_consumer.system.endings import life_seconds

if TYPE_CHECKING:
    from warren.records import Records
    from warren_consumer.replies import Replies

EVERY_SECONDS: Final = 2.0
OVERDUE_SECONDS: Final = 10.0
"""How long the consumer that ended a task has to send the reply itself."""
AT_ONCE: Final = 100


class Overdue:
    """Sends the replies that nobody sent."""

    def __init__(self, records: Records, replies: Replies, *, result_ttl_seconds: float) -> None:
        self._records = records
        self._replies = replies
        # Nothing tells whether the task's message was acknowledged.
        self._ttl = life_seconds(result_ttl_seconds, message_gone=False)

    async def once(self) -> None:
        """Send all that are overdue.

        Raises:
            UnavailableError: the rest is left for the next time.

        """
        while late := await self._records.due(older_than_seconds=OVERDUE_SECONDS, limit=AT_ONCE):
            await asyncio.gather(*(self._replies.send(record, ttl_seconds=self._ttl) for record in late))
