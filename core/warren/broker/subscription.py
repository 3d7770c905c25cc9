"""What RabbitMQ delivers to this process: from a queue of the topology, or from one of this process's own.

A queue of the topology is consumed through every reconnect. A queue of one's own ends with its connection: the broker
may hold the lost one for a while yet, and refuses (RESOURCE_LOCKED) to declare its exclusive queues again meanwhile,
so whoever listens enters anew and gets a queue under a new name.

Forbidden here: connections and publishing.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from aio_pika.exceptions import CONNECTION_EXCEPTIONS

from warren.broker.decoding import tolerate
from warren.broker.settling import Settler
from warren.topology import EVENTS

if TYPE_CHECKING:
    import aiormq
    from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel, AbstractRobustQueue

    from warren.broker.tap import Takers, Tapped

LEAVE_SECONDS: Final = 1.0

tolerate()


class AmqpDelivery:
    """A message that RabbitMQ handed out, un-acknowledged; it is settled once, whatever is asked afterwards."""

    __slots__ = ("_settled", "_settler", "_tag", "message", "redelivered")

    def __init__(self, tapped: Tapped, settler: Settler) -> None:
        self._tag = tapped.tag
        self._settler = settler
        self._settled = False
        self.message = tapped.message
        self.redelivered = tapped.redelivered

    @property
    def stale(self) -> bool:
        """Whether the channel that it came on is gone, so that the broker has put it back already."""
        return self._settler.closed

    async def ack(self) -> None:
        """Settle it for good, with whatever else is settled in this turn of the event loop."""
        if not self._settled:
            self._settled = True
            self._settler.ack(self._tag)

    async def nack(self) -> None:
        """Put it back, likewise."""
        if not self._settled:
            self._settled = True
            self._settler.nack(self._tag)


class AmqpSubscription:
    """Deliveries of one queue, through reconnects; those that a lost connection left behind are dropped.

    With `own`, the queue is this process's own: nothing is acknowledged, and a lost connection ends the stream.
    """

    def __init__(
        self, channel: AbstractRobustChannel, queue: AbstractRobustQueue, takers: Takers, *, own: bool = False
    ) -> None:
        self._channel = channel
        self._queue = queue
        self._takers = takers
        self._own = own
        self._tag: str | None = None
        self._settler: Settler | None = None
        self._waiting: asyncio.Queue[AmqpDelivery | None] = asyncio.Queue()

    async def start(self) -> None:
        """Begin to consume."""
        self._tag = f"warren.{uuid.uuid4()}"
        self._takers[self._tag.encode()] = self._receive
        try:
            await self._queue.consume(_untapped, no_ack=self._own, consumer_tag=self._tag, robust=not self._own)
        except BaseException:
            del self._takers[self._tag.encode()]
            raise
        if self._own:
            self._channel.close_callbacks.add(self._lose)

    @property
    def consuming(self) -> bool:
        """Whether the broker knows this consumer at this moment."""
        underlay = self._underlay()
        return underlay is not None and not underlay.is_closed and self._tag in underlay.consumers

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
        del self._takers[tag.encode()]
        while not self._waiting.empty():
            delivery = self._waiting.get_nowait()
            if delivery is not None and not self._own:
                await delivery.nack()
        self._waiting.put_nowait(None)

    async def flush(self) -> None:
        """Return when the broker has been told of all that was settled, or is away."""
        if self._settler is not None:
            await leave(self._settler.flush())

    def _receive(self, tapped: Tapped) -> None:
        """Keep a delivery, unless it is of a channel that is gone already: that was put back."""
        underlay = self._underlay()
        if underlay is None or underlay.number != tapped.channel:
            return
        if self._settler is None or self._settler.channel is not underlay:
            self._settler = Settler(underlay)
        self._waiting.put_nowait(AmqpDelivery(tapped, self._settler))

    def _underlay(self) -> aiormq.Channel | None:
        """Return aiormq's channel of this moment: aio-pika has no public, synchronous way to ask."""
        underlay = getattr(self._channel, "_channel", None)
        return None if underlay is None else cast("aiormq.Channel", underlay.channel)

    def _lose(self, *_: object) -> None:
        self._waiting.put_nowait(None)


async def _untapped(incoming: AbstractIncomingMessage) -> None:
    """Stand where aio-pika wants a callback: what comes is taken off the stream before it is asked."""
    msg = f"delivery {incoming.delivery_tag} was not taken off the stream"
    raise RuntimeError(msg)


async def own_queue(
    channel: AbstractRobustChannel,
    name: str,
    takers: Takers,
    *,
    patterns: Sequence[str] = (),
    arguments: Mapping[str, Any],
) -> AmqpSubscription:
    """Declare a queue that goes with the connection, bound to the events of these patterns, and consume it."""
    queue = await channel.declare_queue(
        name, exclusive=True, auto_delete=True, arguments={"x-queue-type": "classic", **arguments}, robust=False
    )
    for pattern in patterns:
        await queue.bind(EVENTS, pattern, robust=False)
    subscription = AmqpSubscription(channel, queue, takers, own=True)
    await subscription.start()
    return subscription


async def leave(farewell: Awaitable[object]) -> None:
    """Say farewell to the broker for a bounded time: one that is away needs none."""
    with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
        async with asyncio.timeout(LEAVE_SECONDS):
            await farewell
