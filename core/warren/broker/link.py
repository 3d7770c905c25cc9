"""One robust connection to RabbitMQ, made at first use.

Forbidden here: channels and what goes over them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

import aio_pika
from aio_pika.abc import AbstractRobustConnection, ConnectionParameter
from aio_pika.connection import make_url
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AuthenticationError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
)

from warren.address import without_password
from warren.broker.tap import Takers, TappedTransport
from warren.errors import BrokerUnavailableError

CONNECT_SECONDS: Final = 3.0
RECONNECT_SECONDS: Final = 1.0
GIVE_UP_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10
RESTORE_SECONDS: Final = 10.0
"""What one channel's consumers may take to be there again, at one try: twice what aio-pika gives each call for it."""


class _Channel(aio_pika.RobustChannel):
    """A robust channel that waits by itself for a queue that is gone.

    aio-pika gives up the whole new connection for it, again and again, with all that its other channels consume.
    """

    async def restore(self, channel: object = None) -> None:
        try:
            await super().restore(channel)
        except ChannelNotFoundEntity:
            self._connection._request_recovery()  # type: ignore[attr-defined]  # noqa: SLF001 - it has no public way

    async def _restore_consumers(self) -> bool:
        try:
            # Within it aio-pika may wait for a connection that nobody but its caller makes again.
            async with asyncio.timeout(RESTORE_SECONDS):
                return await super()._restore_consumers()
        except (TimeoutError, ChannelInvalidStateError):
            return True  # it is gone yet


class _Connection(aio_pika.RobustConnection):
    """A robust connection whose first attempt, given up, leaves nothing behind that goes on trying for ever."""

    CHANNEL_CLASS = _Channel

    # aio-pika hands on to aiormq only what is named here.
    PARAMETERS = (
        *aio_pika.RobustConnection.PARAMETERS,
        ConnectionParameter("transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )

    async def connect(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the parent's own
        try:
            await super().connect(timeout)
        except BaseException:
            await asyncio.wait({asyncio.ensure_future(self.close())}, timeout=GIVE_UP_SECONDS)
            raise


class Link:
    """A connection under a name; once made, aio-pika makes it again whenever it is lost.

    Callers that come while it is being made share the attempt, and its failure.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self.takers: Takers = {}
        """Who takes the deliveries of this connection, however often it is made again."""
        self._connecting: asyncio.Task[AbstractRobustConnection] | None = None

    async def connection(self) -> AbstractRobustConnection:
        """Return the connection, made now if need be; one that is being made again is returned as it is.

        Raises:
            BrokerUnavailableError: the broker does not answer in time, or refuses the credentials.

        """
        if self._connecting is None or (self._connecting.done() and not self._made):
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def close(self) -> None:
        """Close the connection if there is one."""
        connecting, self._connecting = self._connecting, None
        if connecting is None:
            return
        connecting.cancel()
        with suppress(asyncio.CancelledError, BrokerUnavailableError):
            await (await connecting).close()

    @property
    def blocked(self) -> bool:
        """Whether the broker has said that it takes no messages on this connection: an alarm of its memory or disk."""
        if self._connecting is None or not self._made:
            return False
        connection = self._connecting.result()
        transport = connection.transport
        if transport is None or not connection.connected.is_set():
            return False
        readiness = transport.connection.ready()  # the public way to ask is to wait; one step of it tells
        try:
            readiness.send(None)
        except StopIteration:
            return False
        readiness.close()
        return True

    @property
    def _made(self) -> bool:
        done = self._connecting
        return done is not None and not done.cancelled() and done.exception() is None

    async def _connect(self) -> AbstractRobustConnection:
        where = without_password(self._url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = _Connection(
                    make_url(self._url, heartbeat=HEARTBEAT_SECONDS),
                    reconnect_interval=RECONNECT_SECONDS,
                    client_properties={"connection_name": self._name},
                    transport_factory=TappedTransport(self.takers),
                )
                await connection.connect(CONNECT_SECONDS)
                return connection
        except (AuthenticationError, ProbableAuthenticationError) as error:
            raise BrokerUnavailableError(f"the broker at {where} refuses the credentials", retry_after=None) from error
        except TimeoutError as error:
            raise BrokerUnavailableError(f"the broker at {where} did not answer in {CONNECT_SECONDS:.0f} s") from error
        except CONNECTION_EXCEPTIONS as error:
            reason = str(error) or type(error).__name__
            raise BrokerUnavailableError(f"the broker at {where} does not answer: {reason}") from error
