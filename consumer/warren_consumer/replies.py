"""Telling the one who asked how a task ended.

Forbidden here: waiting for a broker that is away; what could not be told stays due, and the system pool tells it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import encode_reply
from warren.topology import takes_replies

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.record import Record
    from warren.records import Records

log = structlog.get_logger(__name__)


class Replies:
    """Publishes replies, and strikes them off what is due."""

    def __init__(self, broker: Broker, records: Records) -> None:
        self._broker = broker
        self._records = records

    async def send(self, record: Record, *, ttl_seconds: float) -> None:
        """Publish the reply to a task that ended, if one is wanted, and give its record that long to live.

        Raises:
            BrokerUnavailableError: the reply stays due; the record's life has begun all the same.
            RecordsUnavailableError: likewise; it will be published once more, under the same identity.

        """
        if record.reply_to:
            try:
                await self._publish(record, record.reply_to)
            except BrokerUnavailableError:
                await self._records.settle(record.id, ttl_seconds=ttl_seconds, told=False)
                raise
        await self._records.settle(record.id, ttl_seconds=ttl_seconds)

    async def _publish(self, record: Record, reply_to: str) -> None:
        if not takes_replies(reply_to):
            log.warning("a reply is not sent: its queue is none for replies", task=record.id, reply_to=reply_to)
            return
        try:
            await self._broker.publish(encode_reply(record), exchange="", routing_key=reply_to)
        except UnroutableError:
            log.debug("nobody waits for the reply any more", task=record.id, reply_to=reply_to)
