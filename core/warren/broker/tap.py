"""A tap: takes deliveries off a connection's stream before aiormq reads it.

aiormq reads a frame in three calls, builds objects field by field and hands them through two queues and two tasks, and
a delivery is three frames: that was two fifths of what a small task costs. Here it goes from the bytes to its
subscription in one step. Every other frame passes as it came, so that connections, heartbeats, channels and reconnects
stay aiormq's and aio-pika's.

Forbidden here: settling deliveries, and knowing what a message means.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory

from warren.broker.contents import read_message

if TYPE_CHECKING:
    from yarl import URL

    from warren.message import Message

_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER: Final = struct.pack(">HH", 60, 60)
_FRAME: Final = struct.Struct(">BHI")
_DELIVERY: Final = struct.Struct(">QB")
_CONTENT: Final = struct.Struct(">HHQ")
_HEARTBEAT: Final = b"\x08\0\0\0\0\0\0\xce"
_CHUNK: Final = 256 * 1024

PROOF_SECONDS: Final = 1.0
"""How often aiormq is told that the peer lives, while all that comes are deliveries: it sees none of them, and gives up
a connection on which it sees nothing. RabbitMQ sends heartbeats only where it has nothing else to send."""


@dataclass(slots=True)
class Tapped:
    """A delivery: the number of its channel, its tag there, and the message."""

    channel: int
    tag: int
    redelivered: bool
    message: Message


Take = Callable[[Tapped], None]
Takers = dict[bytes, Take]
"""Who takes the deliveries, by consumer tag."""


class TappedTransport(TransportFactory):
    """Makes connections whose deliveries go to the takers."""

    def __init__(self, takers: Takers) -> None:
        self._takers = takers

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:  # noqa: ANN401 - the parent's own
        """Connect; return what reads and what writes."""
        plain = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await plain.create(url, **kwargs)
        return cast("asyncio.StreamReader", Tap(reader, self._takers)), writer


@dataclass(slots=True)
class _Content:
    """A delivery of which frames are still to come."""

    take: Take
    tag: int
    redelivered: bool
    properties: bytes = b""
    missing: int = 0
    body: list[bytes] = field(default_factory=list)


class Tap:
    """A stream as aiormq reads it: frame by frame, from the first byte to the last, without the takers' deliveries."""

    def __init__(self, reader: asyncio.StreamReader, takers: Takers) -> None:
        self._reader = reader
        self._takers = takers
        self._bytes = b""
        self._at = 0
        """Up to where the bytes were taken or passed on."""
        self._passing = 0
        """How many bytes of the frame that is being passed on are left."""
        self._contents: dict[int, _Content] = {}
        self._proved_at = 0.0
        self._taken = False
        """Whether a frame was taken since aiormq was told last that the peer lives."""

    def at_eof(self) -> bool:
        """Tell whether nothing is left and nothing will come."""
        return self._at == len(self._bytes) and self._reader.at_eof()

    async def readexactly(self, count: int) -> bytes:
        """Return the next bytes of a frame that is not the takers'.

        Raises:
            asyncio.IncompleteReadError: the stream ended before.

        """
        if not self._passing:
            await self._find()
        while len(self._bytes) - self._at < count:
            await self._fill(count)
        begin, self._at = self._at, self._at + count
        self._passing -= count
        return self._bytes[begin : self._at]

    async def _find(self) -> None:
        """Take deliveries until a frame comes that is to be passed on."""
        while True:
            if len(self._bytes) - self._at < _FRAME.size:
                await self._read_on(_FRAME.size)
                continue
            kind, channel, size = _FRAME.unpack_from(self._bytes, self._at)
            begin = self._at + _FRAME.size
            whole = _FRAME.size + size + 1
            if not self._ours(kind, channel):
                self._passing = whole
                return
            if len(self._bytes) - self._at < whole:
                await self._read_on(whole)
            elif self._take(kind, channel, self._bytes[begin : begin + size]):
                self._at += whole
                self._taken = True
            else:
                self._passing = whole
                return

    async def _read_on(self, wanted: int) -> None:
        """Read more where a frame begins; now and then, when frames were taken, pass a heartbeat on instead."""
        now = asyncio.get_running_loop().time()
        if self._taken and now - self._proved_at >= PROOF_SECONDS:
            self._proved_at, self._taken = now, False
            self._bytes, self._at = _HEARTBEAT + self._bytes[self._at :], 0
        else:
            await self._fill(wanted)

    async def _fill(self, wanted: int) -> None:
        left = self._bytes[self._at :]
        more = await self._reader.read(_CHUNK)
        if not more:
            raise asyncio.IncompleteReadError(left, wanted)
        self._bytes, self._at = left + more, 0

    def _ours(self, kind: int, channel: int) -> bool:
        """Tell whether a frame may be part of a delivery for a taker."""
        return (kind == _METHOD and channel > 0) or (kind in (_HEADER, _BODY) and channel in self._contents)

    def _take(self, kind: int, channel: int, frame: bytes) -> bool:
        """Take a frame's content if it is part of a delivery for a taker."""
        if kind == _METHOD:
            return self._open(channel, frame)
        content = self._contents[channel]
        if kind == _HEADER:
            _, _, content.missing = _CONTENT.unpack_from(frame)
            content.properties = frame[_CONTENT.size :]
        else:
            content.body.append(frame)
            content.missing -= len(frame)
        if content.missing <= 0:
            del self._contents[channel]
            message = read_message(content.properties, b"".join(content.body))
            content.take(Tapped(channel, content.tag, content.redelivered, message))
        return True

    def _open(self, channel: int, method: bytes) -> bool:
        """Begin a delivery, if the method is one for a taker; what came of one before it on the channel is void."""
        self._contents.pop(channel, None)
        if not method.startswith(_DELIVER):
            return False
        end = len(_DELIVER) + 1 + method[len(_DELIVER)]
        take = self._takers.get(method[len(_DELIVER) + 1 : end])
        if take is None:
            return False
        tag, redelivered = _DELIVERY.unpack_from(method, end)
        self._contents[channel] = _Content(take, tag, bool(redelivered))
        return True
