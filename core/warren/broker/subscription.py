"""What RabbitMQ delivers to this process: from a queue of the topology, or from one of this process's own.

A queue of the topology is consumed through every reconnect. A queue of one's own ends with its connection: the broker
may hold the lost one for a while yet, and refuses (RESOURCE_LOCKED) to declare its exclusive queues again meanwhile,
so whoever listens enters anew and gets a queue under a new name.

Forbidden here: connections and publishing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from warren.broker.decoding import tolerate
from warren.message import Message
from warren.topology import EVENTS

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustChannel, AbstractRobustQueue

LEAVE_SECONDS: Final = 1.0

tolerate()


class AmqpDelivery:
    """A message that RabbitMQ handed out, un-acknowledged; it is settled once, whatever is asked afterwards."""

    def __init__(self, incoming: AbstractIncomingMessage) -> None:
        self._incoming = incoming
        self._channel = incoming.channel  # asked for later, aio-pika raises instead of telling that it is closed
        self._settled = False
        self.message = _decode(incoming)
        self.redelivered = bool(incoming.redelivered)

    @property
    def stale(self) -> bool:
        """Whether the channel that it came on is gone, so that the broker has put it back already."""
        return bool(self._channel.is_closed)

    async def ack(self) -> None:
        """Settle it for good."""
        await self._settle(self._incoming.ack)

    async def nack(self) -> None:
        """Put it back."""
        await self._settle(self._incoming.nack)

    async def _settle(self, way: Callable[[], Awaitable[None]]) -> None:
        if self._settled:
            return
        self._settled = True
        with suppress(*CONNECTION_EXCEPTIONS):
            await way()


class AmqpSubscription:
    """Deliveries of one queue, through reconnects; those that a lost connection left behind are dropped.

    With `own`, the queue is this process's own: nothing is acknowledged, and a lost connection ends the stream.
    """

    def __init__(self, channel: AbstractRobustChannel, queue: AbstractRobustQueue, *, own: bool = False) -> None:
        self._channel = channel
        self._queue = queue
        self._own = own
        self._tag: str | None = None
        self._waiting: asyncio.Queue[AmqpDelivery | None] = asyncio.Queue()

    async def start(self) -> None:
        """Begin to consume."""
        self._tag = await self._queue.consume(self._receive, no_ack=self._own, robust=not self._own)
        if self._own:
            self._channel.close_callbacks.add(self._lose)

    @property
    def consuming(self) -> bool:
        """Whether the broker knows this consumer at this moment."""
        underlay = getattr(self._channel, "_channel", None)  # aio-pika has no public, synchronous way to ask
        return underlay is not None and not underlay.channel.is_closed and self._tag in underlay.channel.consumers

    async def __aiter__(self) -> AsyncIterator[AmqpDelivery]:
        """Yield deliveries until stopped."""
        while (delivery := await self._waiting.get()) is not None:
            if self._own or not delivery.stale:
                yield delivery

    async def stop(self) -> None:
        """Take no more; put back those that nobody has seen."""
        if self._tag is None:
            return
        tag, self._tag = self._tag, None
        await leave(self._queue.cancel(tag))
        while not self._waiting.empty():
            delivery = self._waiting.get_nowait()
            if delivery is not None and not self._own:
                await delivery.nack()
        self._waiting.put_nowait(None)

    async def _receive(self, incoming: AbstractIncomingMessage) -> None:
        self._waiting.put_nowait(AmqpDelivery(incoming))

    def _lose(self, *_: object) -> None:
        self._waiting.put_nowait(None)


async def own_queue(
    channel: AbstractRobustChannel, name: str, *, patterns: Sequence[str] = (), arguments: Mapping[str, Any]
) -> AmqpSubscription:
    """Declare a queue that goes with the connection, bound to the events of these patterns, and consume it."""
    queue = await channel.declare_queue(
        name, exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic", **arguments}, robust=False
    )
    for pattern in patterns:
        await queue.bind(EVENTS, pattern, robust=False)
    subscription = AmqpSubscription(channel, queue, own=True)
    await subscription.start()
    return subscription


async def leave(farewell: Awaitable[object]) -> None:
    """Say farewell to the broker for a bounded time: one that is away needs none."""
    with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
        async with asyncio.timeout(LEAVE_SECONDS):
            await farewell


def _decode(incoming: AbstractIncomingMessage) -> Message:
    return Message(
        body=incoming.body,
        content_type=incoming.content_type or "",
        message_id=incoming.message_id,
        type=incoming.type,
        correlation_id=incoming.correlation_id,
        reply_to=incoming.reply_to,
        priority=incoming.priority or 0,
        headers=dict(incoming.headers),
        timestamp=incoming.timestamp.timestamp() if incoming.timestamp else None,
    )
