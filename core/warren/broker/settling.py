"""Settling deliveries of one channel: what is settled in one turn of the event loop goes out in one write.

aio-pika's `ack` builds three objects and waits for the socket for each delivery. Nothing is lost by not waiting: an
acknowledgement that does not arrive brings the delivery back, which is so however it is sent.

Forbidden here: deciding whether to settle.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiormq.abc import ChannelFrame

if TYPE_CHECKING:
    import aiormq

_SETTLE: Final = struct.Struct(">BHIHHQBB")
_METHOD, _SIZE, _BASIC, _ACK, _NACK, _END = 1, 13, 60, 80, 120, 0xCE
_REQUEUE: Final = 2


class Settler:
    """Acknowledges and puts back what came on one channel."""

    def __init__(self, channel: aiormq.Channel) -> None:
        self.channel = channel
        self._gathered: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None
        channel.closing.add_done_callback(self._lost)

    @property
    def closed(self) -> bool:
        """Whether the channel is gone; the broker has put back what was not settled."""
        return bool(self.channel.is_closed)

    def ack(self, tag: int) -> None:
        """Settle a delivery for good."""
        self._settle(tag, _ACK, 0)

    def nack(self, tag: int) -> None:
        """Put a delivery back."""
        self._settle(tag, _NACK, _REQUEUE)

    async def flush(self) -> None:
        """Return when everything is written, or the channel is gone."""
        while self._sending is not None:
            await asyncio.wait({self._sending})

    def _settle(self, tag: int, method: int, bits: int) -> None:
        if self.closed:
            return
        self._gathered.append(_SETTLE.pack(_METHOD, self.channel.number, _SIZE, _BASIC, method, tag, bits, _END))
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        """Write what is gathered, and what gathers while the socket has no room for more."""
        channel = self.channel
        try:
            with suppress(Exception):  # aiormq ends what waits on a lost channel with whatever ended that
                while self._gathered:
                    payload, self._gathered = b"".join(self._gathered), []
                    drained = channel.create_future()
                    await channel.write_queue.put(ChannelFrame(payload, should_close=False, drain_future=drained))
                    await drained
        finally:
            self._sending = None

    def _lost(self, _: object) -> None:
        if self._sending is not None:
            self._sending.cancel()
