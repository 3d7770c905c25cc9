"""How much waits in many queues at this moment, asked of the queues themselves.

The management API's counts are seconds old: too old to say that a queue may go.

Forbidden here: judging the counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from warren.broker import Depth
from warren.broker.amqp import AmqpBroker
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.patience import patiently

REFUSED: Final = "ACCESS_REFUSED"
PATIENCE_SECONDS: Final = 4.0
"""How long a busy broker is asked again: nobody's request waits here."""


async def depths(broker_url: str, queues: Iterable[str]) -> dict[str, Depth | None]:
    """Return the depths of those queues that exist; None where this account may not ask (RabbitMQ 4.3 refuses it).

    Raises:
        BrokerUnavailableError: the broker does not answer or refuses the credentials.

    """
    broker = AmqpBroker(broker_url, "warren (counting)")
    found: dict[str, Depth | None] = {}
    try:
        for queue in queues:
            told = await patiently(partial(_depth, broker, queue), PATIENCE_SECONDS)
            if isinstance(told, UnroutableError):
                continue
            found[queue] = told
            if told is None:
                await broker.close()  # the refusal has closed its channel
                broker = AmqpBroker(broker_url, "warren (counting)")
    finally:
        await broker.close()
    return found


async def _depth(broker: AmqpBroker, queue: str) -> Depth | UnroutableError | None:
    """Return what there is to say of a queue; to ask again would change it only where this raises."""
    try:
        return await broker.depth(queue)
    except UnroutableError as error:
        return error
    except BrokerUnavailableError as error:
        if REFUSED in error.detail:
            return None
        raise
