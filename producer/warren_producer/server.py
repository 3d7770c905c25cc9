"""The HTTP server: uvicorn, which is told of streams that would otherwise hold up its end.

Forbidden here: what is served.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


class Server(uvicorn.Server):
    """Calls `closing` when it begins to shut down, before it waits for the requests that are under way."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down."""
        self._closing()
        await super().shutdown(sockets)


class Connection(HttpToolsProtocol):
    """A client's connection, on which offers to speak another protocol are passed over (RFC 9110, 7.8).

    Java's own client offers HTTP/2 with its first request, and so does `curl --http2`. Of a request with an offer the
    parser never reads the body: https://github.com/Kludex/uvicorn/issues/2722.
    """

    _has_head = False
    """Whether the head of the request at hand has come, so that what comes is its body."""
    _held = b""
    """The last line of a head that goes on: an offer is told from what it is a part of only as a whole."""

    def data_received(self, data: bytes) -> None:
        """Take what came, without the offer where it is of a request's head."""
        super().data_received(data if self._has_head else self._of_head(data))

    def on_headers_complete(self) -> None:
        """Hear from the parser that a head has come."""
        self._has_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Hear from the parser that a request has come."""
        self._has_head = False
        super().on_message_complete()

    def _of_head(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        if _END not in data and (line := data.rfind(b"\r\n" if b"\n" in data else b"\r")) >= 0:
            data, self._held = data[:line], data[line:]
        return _without_offer(data) if b"pgrade" in data else data


def _without_offer(data: bytes) -> bytes:
    head, end, body = data.partition(_END)
    return _OFFER.sub(b"", head) + end + body
