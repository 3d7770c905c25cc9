"""One robust connection to RabbitMQ, made at first use.

Forbidden here: channels and what goes over them.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aio_pika
from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AuthenticationError, ProbableAuthenticationError

from warren.address import without_password
from warren.errors import BrokerUnavailableError

CONNECT_SECONDS: Final = 3.0
RECONNECT_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 10


class Link:
    """A connection under a name; once made, aio-pika makes it again whenever it is lost."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AbstractRobustConnection | None = None
        self._connecting = asyncio.Lock()

    async def connection(self) -> AbstractRobustConnection:
        """Return the connection, made now if need be; one that is being made again is returned as it is.

        Raises:
            BrokerUnavailableError: the broker does not answer in time, or refuses the credentials.

        """
        async with self._connecting:
            if self._connection is None:
                self._connection = await self._connect()
        return self._connection

    async def close(self) -> None:
        """Close the connection if there is one."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connect(self) -> AbstractRobustConnection:
        where = without_password(self._url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await aio_pika.connect_robust(
                    self._url, heartbeat=HEARTBEAT_SECONDS, reconnect_interval=RECONNECT_SECONDS,
                    timeout=CONNECT_SECONDS, client_properties={"connection_name": self._name})
        except (AuthenticationError, ProbableAuthenticationError) as error:
            raise BrokerUnavailableError(f"the broker at {where} refuses the credentials", retry_after=None) from error
        except TimeoutError as error:
            raise BrokerUnavailableError(f"the broker at {where} did not answer in {CONNECT_SECONDS:.0f} s") from error
        except CONNECTION_EXCEPTIONS as error:
            raise BrokerUnavailableError(f"the broker at {where} does not answer: {error}") from error

