"""How much waits in many queues at this moment, asked of the queues themselves.

The management API's counts are seconds old: too old to say that a queue may go.

Forbidden here: judging the counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from warren.broker import Depth
from warren.broker.amqp import AmqpBroker
from warren.errors import UnroutableError


async def depths(broker_url: str, queues: Iterable[str]) -> dict[str, Depth]:
    """Return the depths of those queues that exist.

    Raises:
        BrokerUnavailableError: the broker does not answer or refuses the credentials.

    """
    broker = AmqpBroker(broker_url, "warren (counting)")
    found: dict[str, Depth] = {}
    try:
        for queue in queues:
            with suppress(UnroutableError):
                found[queue] = await broker.depth(queue)
    finally:
        await broker.close()
    return found
