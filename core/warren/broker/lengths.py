"""How many messages and consumers queues have at this moment, asked of the queues themselves over AMQP.

The management API's counts are seconds old: too old to say that a queue may go.

Forbidden here: judging the counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from warren.address import without_password
from warren.broker.link import Link
from warren.errors import BrokerUnavailableError


@dataclass(frozen=True, slots=True)
class Length:
    """A queue's counts."""

    ready: int
    consumers: int


async def lengths(broker_url: str, queues: Iterable[str]) -> dict[str, Length]:
    """Return the counts of those queues that exist.

    Raises:
        BrokerUnavailableError: the broker does not answer or refuses the credentials.

    """
    link = Link(broker_url, "warren (counting)")
    connection = await link.connection()
    try:
        found = {queue: await _length(connection, queue) for queue in queues}
    except CONNECTION_EXCEPTIONS as error:
        raise BrokerUnavailableError(f"{without_password(broker_url)}: {error}") from error
    finally:
        await link.close()
    return {queue: length for queue, length in found.items() if length is not None}


async def _length(connection: AbstractRobustConnection, queue: str) -> Length | None:
    try:
        async with connection.channel() as channel:
            answer = (await channel.declare_queue(queue, passive=True)).declaration_result
    except ChannelNotFoundEntity:
        return None
    return Length(answer.message_count or 0, answer.consumer_count or 0)
