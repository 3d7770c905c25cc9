"""Announcing: publishing what no queue need take, without confirms.

Nobody waits for a single event, so nothing is gained by a frame that says what became of it; and reading those frames
cost more than writing the events. They have a channel of their own, for confirms are a channel's: the broker's answer
to what is wrong with one (an exchange that is missing) is to end it, and the next events open another.

Forbidden here: what a message means.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from aiormq.abc import ChannelFrame

from warren.broker.channel import open_channel
from warren.broker.frames import publish_frames
from warren.errors import BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import aiormq

    from warren.broker.link import Link
    from warren.message import Message

WRITE_SECONDS: Final = 5.0
"""How long events wait for room in the socket."""


class Announcer:
    """Writes events, many at once, over one channel of a connection."""

    def __init__(self, link: Link, where: str) -> None:
        self._link = link
        self._where = where
        self._channel: aiormq.Channel | None = None
        self._opening = asyncio.Lock()

    async def announce(self, messages: Iterable[tuple[str, Message]], *, exchange: str) -> None:
        """Publish messages, each with its routing key, for whoever listens; return when they are on their way.

        What cannot be delivered is lost without a word, and so is all of it while the broker takes no messages.

        Raises:
            BrokerUnavailableError: there is no connection, or it was lost.

        """
        channel = await self._opened()
        payload = b"".join(_frames(channel, message, exchange, routing_key) for routing_key, message in messages)
        if self._link.blocked or not payload:
            return
        drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await channel.write_queue.put(ChannelFrame(payload, should_close=False, drain_future=drained))
                await drained
        except TimeoutError as error:
            raise BrokerUnavailableError(f"the broker at {self._where} takes no events") from error

    async def _opened(self) -> aiormq.Channel:
        """Return an open channel; callers that come while it is being opened share the attempt."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                self._channel = await open_channel(self._link, self._where, confirms=False)
            return self._channel


def _frames(channel: aiormq.Channel, message: Message, exchange: str, routing_key: str) -> bytes:
    return publish_frames(
        message,
        message.message_id or "",
        exchange=exchange,
        routing_key=routing_key,
        mandatory=False,
        timestamp=int(time.time() if message.timestamp is None else message.timestamp),
        channel=channel.number,
        frame_max=channel.connection.connection_tune.frame_max,
    )
