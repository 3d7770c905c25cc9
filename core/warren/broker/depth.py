"""How much waits in queues, asked of the queues themselves, on a channel of its own: a missing queue closes it.

Forbidden here: judging the counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from warren.broker import Depth
from warren.broker.subscription import leave
from warren.errors import BrokerUnavailableError, UnroutableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aio_pika.abc import AbstractRobustChannel

ANSWER_SECONDS: Final = 1.0


class Depths:
    """Asks for depths, one at a time, on a channel that is opened when it is first needed."""

    def __init__(self, open_channel: Callable[[], Awaitable[AbstractRobustChannel]], where: str) -> None:
        self._open_channel = open_channel
        self._where = where
        self._channel: AbstractRobustChannel | None = None
        self._turn = asyncio.Lock()

    async def of(self, queue: str) -> Depth:
        """Return a queue's depth; see `Broker.depth`."""
        try:
            async with self._turn, asyncio.timeout(ANSWER_SECONDS):
                return await self._ask(queue)
        except ChannelNotFoundEntity as error:
            raise UnroutableError(f"the queue {queue} does not exist; run: warren topology apply") from error
        except TimeoutError as error:
            detail = f"the broker at {self._where} did not tell the depth of {queue} within {ANSWER_SECONDS:g} s"
            raise BrokerUnavailableError(detail) from error
        except CONNECTION_EXCEPTIONS as error:
            raise BrokerUnavailableError(f"the broker at {self._where} is away: {error}") from error

    async def _ask(self, queue: str) -> Depth:
        if self._channel is None:
            self._channel = await self._open_channel()
        try:
            # A robust one would be remembered, asked for again after each reconnect, and answered from memory.
            found = await self._channel.declare_queue(queue, passive=True, robust=False)
        except ChannelNotFoundEntity:
            channel, self._channel = self._channel, None
            await leave(channel.close())
            raise
        answer = found.declaration_result
        return Depth(answer.message_count or 0, answer.consumer_count or 0)
