"""RabbitMQ, through aio-pika's robust connections: one connection publishes, another consumes.

A connection is made at first use, and again whenever it is lost. What was published while it was away raises at once,
and a publish that the broker does not confirm in time raises too: nothing hangs.

Forbidden elsewhere (but for the rest of this package): importing `aio_pika`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import aio_pika
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)

from warren.address import without_password
from warren.broker.depth import Depths
from warren.broker.link import CONNECT_SECONDS, Link
from warren.broker.subscription import AmqpSubscription, leave, own_queue
from warren.broker.turns import Turns
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import Message
from warren.topology import EVENTS, LISTEN_PREFIX, MOST_EVENTS, REPLY_PREFIX

if TYPE_CHECKING:
    from aio_pika.abc import AbstractExchange, AbstractRobustChannel

    from warren.broker import Depth

CONFIRM_SECONDS: Final = 5.0
"""How long a publish waits for its confirm: an alarm of the broker withholds it."""

REOPEN_SECONDS: Final = 0.5


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
        self._depths = Depths(self._consumer, self._where)

    async def open(self) -> None:
        """Connect to publish.

        Raises:
            BrokerUnavailableError: the broker does not answer or refuses the credentials.

        """
        await self._publisher()

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool = True) -> None:
        """Publish and return when the broker has confirmed."""
        target = await self._exchange(exchange)
        if self._publishing.blocked:
            detail = f"the broker at {self._where} takes no messages for now: it is short of memory or disk space"
            raise BrokerUnavailableError(detail, retry_after=5)
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
            subscription = AmqpSubscription(channel, await channel.declare_queue(queue, passive=True))
            await subscription.start()
        except ChannelNotFoundEntity as error:
            await leave(channel.close())
            raise UnroutableError(f"the queue {queue} does not exist; run: warren topology apply") from error
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            await leave(channel.close())
            raise BrokerUnavailableError(f"cannot consume {queue} at {self._where}: {error}") from error
        try:
            yield subscription
        finally:
            await subscription.stop()
            await leave(channel.close())

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, AmqpSubscription]]:
        """Declare this process's own exclusive reply queue and consume it."""
        name = f"{REPLY_PREFIX}{uuid.uuid4()}"
        async with self._owning(name, (), {}) as subscription:
            yield name, subscription

    @asynccontextmanager
    async def listen(self, patterns: Sequence[str]) -> AsyncIterator[AmqpSubscription]:
        """Declare an exclusive queue of this process's own for the events of these patterns and consume it."""
        bounds = {"x-max-length": MOST_EVENTS, "x-overflow": "drop-head"}
        async with self._owning(f"{LISTEN_PREFIX}{uuid.uuid4()}", patterns, bounds) as subscription:
            yield subscription

    @asynccontextmanager
    async def _owning(
        self, name: str, patterns: Sequence[str], arguments: Mapping[str, Any]
    ) -> AsyncIterator[AmqpSubscription]:
        channel = await self._consumer()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                subscription = await own_queue(channel, name, patterns=patterns, arguments=arguments)
        except ChannelNotFoundEntity as error:
            await leave(channel.close())
            raise UnroutableError(f"the exchange {EVENTS} does not exist; run: warren topology apply") from error
        except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
            await leave(channel.close())
            raise BrokerUnavailableError(f"cannot declare {name} at {self._where}: {error}") from error
        except asyncio.CancelledError as error:
            if _canceled():
                raise
            raise BrokerUnavailableError(f"the connection to the broker at {self._where} was lost") from error
        try:
            yield subscription
        finally:
            await subscription.stop()
            await leave(channel.close())

    async def depth(self, queue: str) -> Depth:
        """Return what a queue holds now; see `Broker`."""
        try:
            return await self._depths.of(queue)
        except asyncio.CancelledError as error:
            if _canceled():
                raise
            raise BrokerUnavailableError(f"the connection to the broker at {self._where} was lost") from error

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
