"""RabbitMQ, through aio-pika's robust connections: one connection publishes, another consumes.

A connection is made at first use, and again whenever it is lost. What was published while it was away raises at once,
and a publish that the broker does not confirm in time raises too: nothing hangs.

Forbidden elsewhere (but for `provision`): importing `aio_pika`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)

from warren.address import without_password
from warren.broker.link import CONNECT_SECONDS, Link
from warren.broker.turns import Turns
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import Message
from warren.topology import REPLY_PREFIX

if TYPE_CHECKING:
    from aio_pika.abc import AbstractExchange, AbstractRobustChannel, AbstractRobustQueue

CONFIRM_SECONDS: Final = 5.0
"""How long a publish waits for its confirm: an alarm of the broker withholds it."""

REOPEN_SECONDS: Final = 0.5
LEAVE_SECONDS: Final = 1.0
REPLY_PREFETCH: Final = 1000


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
    """Deliveries of one queue, through reconnects; those that a lost connection left behind are dropped."""

    def __init__(self, channel: AbstractRobustChannel, queue: AbstractRobustQueue, *, no_ack: bool) -> None:
        self._channel = channel
        self._queue = queue
        self._no_ack = no_ack
        self._tag: str | None = None
        self._waiting: asyncio.Queue[AmqpDelivery | None] = asyncio.Queue()

    async def start(self) -> None:
        """Begin to consume."""
        self._tag = await self._queue.consume(self._receive, no_ack=self._no_ack)

    @property
    def consuming(self) -> bool:
        """Whether the broker knows this consumer at this moment."""
        underlay = getattr(self._channel, "_channel", None)  # aio-pika has no public, synchronous way to ask
        return underlay is not None and not underlay.channel.is_closed and self._tag in underlay.channel.consumers

    async def __aiter__(self) -> AsyncIterator[AmqpDelivery]:
        """Yield deliveries until stopped."""
        while (delivery := await self._waiting.get()) is not None:
            if self._no_ack or not delivery.stale:
                yield delivery

    async def stop(self) -> None:
        """Take no more; put back those that nobody has seen."""
        if self._tag is None:
            return
        tag, self._tag = self._tag, None
        await _leave(self._queue.cancel(tag))
        while not self._waiting.empty():
            delivery = self._waiting.get_nowait()
            if delivery is not None and not self._no_ack:
                await delivery.nack()
        self._waiting.put_nowait(None)

    async def _receive(self, incoming: AbstractIncomingMessage) -> None:
        self._waiting.put_nowait(AmqpDelivery(incoming))


class AmqpBroker:
    """The broker at `url` (`amqp://user:password@host:port/vhost`); `name` is what its management page shows."""

    def __init__(self, url: str, name: str = "warren") -> None:
        self._where = without_password(url)
        self._publishing = Link(url, f"{name} (publish)")
        self._consuming = Link(url, f"{name} (consume)")
        self._exchanges: dict[str, AbstractExchange] = {}
        self._channel: AbstractRobustChannel | None = None
        self._opening = asyncio.Lock()
        self._turns = Turns()

    async def open(self) -> None:
        """Connect to publish.

        Raises:
            BrokerUnavailableError: the broker does not answer or refuses the credentials.

        """
        await self._publisher()

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool = True) -> None:
        """Publish and return when the broker has confirmed."""
        target = await self._exchange(exchange)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS), self._turns.taken(message.message_id):
                await target.publish(_encode(message), routing_key, mandatory=mandatory)
        except PublishError as error:
            raise _unroutable(exchange, routing_key) from error
        except DeliveryError as error:
            detail = f"the broker at {self._where} refused the message for {routing_key!r}: its queue is full"
            raise BrokerUnavailableError(detail, retry_after=5) from error
        except ChannelNotFoundEntity as error:
            raise _unroutable(exchange, routing_key) from error
        except TimeoutError as error:
            detail = f"the broker at {self._where} did not confirm within {CONFIRM_SECONDS:.0f} s (an alarm of it?)"
            raise BrokerUnavailableError(detail, retry_after=5) from error
        except CONNECTION_EXCEPTIONS as error:
            raise BrokerUnavailableError(f"the broker at {self._where} is away: {error}") from error
        except asyncio.CancelledError as error:
            if _canceled():
                raise
            raise BrokerUnavailableError(f"the connection to the broker at {self._where} was lost") from error

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[AmqpSubscription]:
        """Consume a queue that the topology declared."""
        channel = await self._consumer()
        try:
            await channel.set_qos(prefetch_count=prefetch)
            subscription = AmqpSubscription(channel, await channel.declare_queue(queue, passive=True), no_ack=False)
            await subscription.start()
        except ChannelNotFoundEntity as error:
            await _leave(channel.close())
            raise UnroutableError(f"the queue {queue} does not exist; run: warren topology apply") from error
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            await _leave(channel.close())
            raise BrokerUnavailableError(f"cannot consume {queue} at {self._where}: {error}") from error
        try:
            yield subscription
        finally:
            await subscription.stop()
            await _leave(channel.close())

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, AmqpSubscription]]:
        """Declare this process's own exclusive reply queue and consume it."""
        channel = await self._consumer()
        name = f"{REPLY_PREFIX}{uuid.uuid4()}"
        try:
            await channel.set_qos(prefetch_count=REPLY_PREFETCH)
            queue = await channel.declare_queue(name, exclusive=True, auto_delete=True)
            subscription = AmqpSubscription(channel, queue, no_ack=True)
            await subscription.start()
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            await _leave(channel.close())
            raise BrokerUnavailableError(f"cannot declare a reply queue at {self._where}: {error}") from error
        try:
            yield name, subscription
        finally:
            await subscription.stop()
            await _leave(channel.close())

    async def ping(self) -> None:
        """Return if the broker answers on the publishing connection."""
        await self._publisher()

    async def close(self) -> None:
        """Close both connections."""
        self._channel = None
        await self._publishing.close()
        await self._consuming.close()

    async def _exchange(self, name: str) -> AbstractExchange:
        channel = await self._publisher()
        if name not in self._exchanges:
            self._exchanges[name] = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
        return self._exchanges[name]

    async def _publisher(self) -> AbstractRobustChannel:
        connection = await self._publishing.connection()
        async with self._opening:
            if self._channel is None:
                self._channel = await _open(connection, self._where, on_return_raises=True)
        await self._reopened(self._channel)
        return self._channel

    async def _reopened(self, channel: AbstractRobustChannel) -> None:
        """Wait for a moment: a channel that the broker closed for an error is open again soon."""
        try:
            async with asyncio.timeout(REOPEN_SECONDS):
                while channel.is_closed:  # noqa: ASYNC110 - aio-pika tells of the loss later than of the error
                    await asyncio.sleep(REOPEN_SECONDS / 25)
        except TimeoutError as error:
            raise BrokerUnavailableError(f"the broker at {self._where} is away; reconnecting") from error

    async def _consumer(self) -> AbstractRobustChannel:
        return await _open(await self._consuming.connection(), self._where, on_return_raises=False)


async def _open(connection: AbstractRobustConnection, where: str, *, on_return_raises: bool) -> AbstractRobustChannel:
    channel = connection.channel(publisher_confirms=on_return_raises, on_return_raises=on_return_raises)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await channel.initialize()
    except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
        raise BrokerUnavailableError(f"the broker at {where} is away: {error}") from error
    return channel


async def _leave(farewell: Awaitable[object]) -> None:
    """Say farewell to the broker for a bounded time: one that is away needs none."""
    with suppress(TimeoutError, *CONNECTION_EXCEPTIONS):
        async with asyncio.timeout(LEAVE_SECONDS):
            await farewell


def _canceled() -> bool:
    """Tell whether this very task is being canceled: aiormq ends what waits on a lost connection that way, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _unroutable(exchange: str, routing_key: str) -> UnroutableError:
    return UnroutableError(f"no queue is bound for {routing_key!r} on {exchange!r}; run: warren topology apply")


def _encode(message: Message) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        message_id=message.message_id,
        type=message.type,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        priority=message.priority,
        headers={name: value for name, value in message.headers.items() if name != "x-death"},
        timestamp=time.time() if message.timestamp is None else message.timestamp,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


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
