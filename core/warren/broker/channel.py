"""Opening a channel for publishing on a connection that aio-pika keeps.

Forbidden here: what goes over it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from aiormq.exceptions import AMQPError

from warren.broker.link import CONNECT_SECONDS
from warren.errors import BrokerUnavailableError

if TYPE_CHECKING:
    import aiormq

    from warren.broker.link import Link

REOPEN_SECONDS: Final = 0.5
"""How long publishes wait for a connection that is being made again."""


async def open_channel(link: Link, where: str, *, confirms: bool) -> aiormq.Channel:
    """Return a new channel of the link's connection.

    Raises:
        BrokerUnavailableError: the broker does not answer, or refuses the credentials.

    """
    connection = await link.connection()
    try:
        async with asyncio.timeout(REOPEN_SECONDS):
            await connection.connected.wait()
    except TimeoutError as error:
        raise BrokerUnavailableError(f"the broker at {where} is away; reconnecting") from error
    if connection.transport is None:
        raise BrokerUnavailableError(f"the broker at {where} is away: the connection was lost just now")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            channel = await connection.transport.connection.channel(publisher_confirms=confirms, on_return_raises=True)
    except (TimeoutError, AMQPError, OSError, RuntimeError) as error:
        raise BrokerUnavailableError(f"the broker at {where} is away: {error!r}") from error
    return cast("aiormq.Channel", channel)
