"""Publishing with confirms, many at once: what is published in one turn of the event loop goes out in one write.

aio-pika's `publish` locks, writes and waits for the socket anew for every message; that is most of what a submit costs.
The connection stays aio-pika's, with its heartbeats, TLS and reconnects, and so does the channel, which hears what the
broker says: confirms, refusals, returned messages. Only the writing is ours, through the channel's public parts: its
table of confirms and its queue to the writer.

Every publish ends: confirmed, or with an error that says what is known. A lost channel ends all that were under way.

Forbidden here: what a message means.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiormq.abc import ChannelFrame
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, DeliveryError, PublishError

from warren.broker.channel import open_channel
from warren.broker.frames import publish_frames
from warren.errors import BrokerUnavailableError, UnroutableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import aiormq

    from warren.broker.link import Link
    from warren.message import Message

CONFIRM_SECONDS: Final = 5.0
"""How long a publish waits for its confirm: an alarm of the broker withholds it."""

Confirm = asyncio.Future[object]


class ChannelLostError(ConnectionError):
    """The channel is gone: whether the broker has the message is not known."""


class BlockedError(Exception):
    """The broker has said that it takes no messages."""


@dataclass(slots=True)
class Batch:
    """What goes out together: for each message its frames, its id, and the future that its publisher awaits."""

    frames: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    confirms: list[Confirm] = field(default_factory=list)


class Publisher:
    """Publishes over one channel of a connection, opened at first use and again whenever it is lost."""

    def __init__(self, link: Link, where: str) -> None:
        self._link = link
        self._where = where
        self._outlet: Outlet | None = None
        self._opening: asyncio.Task[Outlet] | None = None

    async def open(self) -> None:
        """Return when messages can be published.

        Raises:
            BrokerUnavailableError: the broker does not answer, or refuses the credentials.

        """
        await self._opened()

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool) -> None:
        """Publish, and return when the broker has confirmed.

        Raises:
            UnroutableError: there is no such exchange, or no queue is bound for the key of a mandatory message.
            BrokerUnavailableError: no connection, an alarm, a refusal (full queue) or no confirm in time.

        """
        outlet = self._outlet
        if outlet is None or outlet.closed:
            outlet = await self._opened()
        try:
            await outlet.publish(message, exchange, routing_key, mandatory=mandatory)
        except PublishError as error:
            raise _unroutable(exchange, routing_key) from error
        except ChannelNotFoundEntity as error:
            # It ended the channel, and so every publish under way; only those to that exchange are without hope.
            if f"'{exchange}'" in str(error):
                raise _unroutable(exchange, routing_key) from error
            raise BrokerUnavailableError(f"the broker at {self._where} closed the channel: {error}") from error
        except DeliveryError as error:
            detail = f"the broker at {self._where} refused the message for {routing_key!r}: its queue is full"
            raise BrokerUnavailableError(detail, retry_after=5) from error
        except BlockedError as error:
            detail = f"the broker at {self._where} takes no messages for now: it is short of memory or disk space"
            raise BrokerUnavailableError(detail, retry_after=5) from error
        except TimeoutError as error:
            detail = f"the broker at {self._where} did not confirm within {CONFIRM_SECONDS:.0f} s (an alarm of it?)"
            raise BrokerUnavailableError(detail, retry_after=5) from error
        except (AMQPError, OSError, RuntimeError) as error:
            raise BrokerUnavailableError(f"the connection to the broker at {self._where} was lost: {error}") from error

    async def close(self) -> None:
        """End what is under way; the channel goes with its connection."""
        opening, self._opening, self._outlet = self._opening, None, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)

    async def _opened(self) -> Outlet:
        """Return an open channel; callers that come while it is being opened share the attempt, and its failure."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Outlet:
        if self._outlet is not None and not self._outlet.closed:
            return self._outlet
        channel = await open_channel(self._link, self._where, confirms=True)
        self._outlet = Outlet(channel, lambda: self._link.blocked)
        return self._outlet


class Outlet:
    """One channel in confirm mode: numbers what goes out, in the order of its going."""

    def __init__(self, channel: aiormq.Channel, blocked: Callable[[], bool]) -> None:
        self._channel = channel
        self._blocked = blocked
        self._frame_max = channel.connection.connection_tune.frame_max
        self._sent = 0
        self._under_way: dict[str, Confirm] = {}
        self._gathered: Batch | None = None
        self._sending: asyncio.Task[None] | None = None
        channel.closing.add_done_callback(self._lost)

    @property
    def closed(self) -> bool:
        """Whether nothing can be published here any more."""
        return bool(self._channel.is_closed)

    async def publish(self, message: Message, exchange: str, routing_key: str, *, mandatory: bool) -> None:
        """Publish, and return when the broker has confirmed; whatever ended it instead is raised."""
        message_id = message.message_id or uuid.uuid4().hex
        # The broker names a returned message by its id: with two of one id under way, one would pass for confirmed
        # that no queue has taken.
        while (other := self._under_way.get(message_id)) is not None:
            await asyncio.wait({other})
        frames = self._frames(message, message_id, exchange, routing_key, mandatory=mandatory)
        confirm = self._under_way[message_id] = self._gather(frames, message_id)
        try:
            await confirm
        finally:
            del self._under_way[message_id]
            self._channel.message_id_delivery_tag.pop(message_id, None)

    def _frames(self, message: Message, message_id: str, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
        return publish_frames(
            message,
            message_id,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=mandatory,
            timestamp=int(time.time() if message.timestamp is None else message.timestamp),
            channel=self._channel.number,
            frame_max=self._frame_max,
        )

    def _gather(self, frames: bytes, message_id: str) -> Confirm:
        """Have it sent with whatever else is published in this turn of the event loop."""
        loop = asyncio.get_running_loop()
        confirm: Confirm = loop.create_future()
        if self.closed:
            confirm.set_exception(ChannelLostError("it closed just now"))
            return confirm
        if self._gathered is None:
            self._gathered = Batch()
            loop.call_later(CONFIRM_SECONDS, _end, self._gathered.confirms, TimeoutError)
        self._gathered.frames.append(frames)
        self._gathered.ids.append(message_id)
        self._gathered.confirms.append(confirm)
        if self._sending is None:
            self._sending = loop.create_task(self._send())
        return confirm

    async def _send(self) -> None:
        """Write what is gathered, and what gathers meanwhile, until nothing is left."""
        try:
            while self._gathered is not None:
                batch, self._gathered = self._gathered, None
                if self._blocked():
                    _end(batch.confirms, BlockedError)
                else:
                    await self._write(batch)
        finally:
            self._sending = None

    async def _write(self, batch: Batch) -> None:
        """Hand the frames to the connection's writer, and wait until the socket has room for more."""
        channel, payload = self._channel, []
        for frames, message_id, confirm in zip(batch.frames, batch.ids, batch.confirms, strict=True):
            if confirm.done():
                continue  # its caller has given up before it was sent
            self._sent += 1
            channel.confirmations[self._sent] = confirm
            channel.message_id_delivery_tag[message_id] = self._sent
            payload.append(frames)
        drained = channel.create_future()
        await channel.write_queue.put(ChannelFrame(b"".join(payload), should_close=False, drain_future=drained))
        await drained

    def _lost(self, closing: asyncio.Future[object]) -> None:
        """End all that is under way with what ended the channel."""
        reason = None if closing.cancelled() else closing.exception()
        told = reason if isinstance(reason, AMQPError) else ChannelLostError(str(reason or "closed"))
        if self._sending is not None:
            self._sending.cancel()
        for confirm in tuple(self._under_way.values()):
            if not confirm.done():
                confirm.set_exception(told)


def _end(confirms: Iterable[Confirm], fault: type[Exception]) -> None:
    for confirm in confirms:
        if not confirm.done():
            confirm.set_exception(fault())


def _unroutable(exchange: str, routing_key: str) -> UnroutableError:
    return UnroutableError(f"no queue is bound for {routing_key!r} on {exchange!r}; run: warren topology apply")
