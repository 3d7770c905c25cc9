"""RabbitMQ, through aio-pika's robust connections: one connection publishes, another consumes.

A connection is made at first use, and again whenever it is lost. What was published while it was away raises at once,
and a publish that the broker does not confirm in time raises too: nothing hangs.

Forbidden elsewhere (but for the rest of this package): importing `aio_pika`.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    ChannelNotFoundEntity,
)

from warren.address import without_password
from warren.broker.announcer import Announcer
from warren.broker.depth import Depths
from warren.broker.link import CONNECT_SECONDS, Link
from warren.broker.publisher import Publisher
from warren.broker.subscription import AmqpSubscription, leave, own_queue
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import Message
from warren.topology import EVENTS, LISTEN_PREFIX, MOST_EVENTS, REPLY_PREFIX

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustChannel

    from warren.broker import Depth


class AmqpBroker:
    """The broker at `url` (`amqp://user:password@host:port/vhost`); `name` is what its management page shows."""

    def __init__(self, url: str, name: str = "warren") -> None:
        self._where = without_password(url)
        self._publishing = Link(url, f"{name} (publish)")
        self._consuming = Link(url, f"{name} (consume)")
        self._publisher = Publisher(self._publishing, self._where)
        self._announcer = Announcer(self._publishing, self._where)
        self._depths = Depths(self._consumer, self._where)

    async def open(self) -> None:
        """Connect to publish.

        Raises:
            BrokerUnavailableError: the broker does not answer or refuses the credentials.

        """
        await self._publisher.open()

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool = True) -> None:
        """Publish and return when the broker has confirmed."""
        await self._publisher.publish(message, exchange=exchange, routing_key=routing_key, mandatory=mandatory)

    async def announce(self, events: Sequence[tuple[str, Message]]) -> None:
        """Publish events, together; see `Broker`."""
        await self._announcer.announce(events, exchange=EVENTS)

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[AmqpSubscription]:
        """Consume a queue that the topology declared."""
        channel = await self._consumer()
        try:
            await channel.set_qos(prefetch_count=prefetch)
            subscription = AmqpSubscription(
                channel, await channel.declare_queue(queue, passive=True), self._consuming.takers
            )
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
            await subscription.flush()
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
                subscription = await own_queue(
                    channel, name, self._consuming.takers, patterns=patterns, arguments=arguments
                )
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
        await self._publisher.open()

    async def close(self) -> None:
        """Close both connections."""
        await self._publisher.close()
        await self._publishing.close()
        await self._consuming.close()

    async def _consumer(self) -> AbstractRobustChannel:
        return await _open(await self._consuming.connection(), self._where)


async def _open(connection: AbstractRobustConnection, where: str) -> AbstractRobustChannel:
    try:
        channel = connection.channel(publisher_confirms=False)  # raises where the connection is being made again
        async with asyncio.timeout(CONNECT_SECONDS):
            await channel.initialize()
    except (TimeoutError, *CONNECTION_EXCEPTIONS) as error:
        raise BrokerUnavailableError(f"the broker at {where} is away: {error}") from error
    return channel


def _canceled() -> bool:
    """Tell whether this very task is being canceled: aiormq ends what waits on a lost connection that way, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
