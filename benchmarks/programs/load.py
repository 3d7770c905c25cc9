"""Requests over many connections that stay open: `load URL METHOD [BODY] [HEADER ...]`.

Answers are counted by their Content-Length and nothing more is read of them: the load must cost less than what it
loads. An answer that is no 2xx ends it.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.programs.orders import obey

CONNECTIONS = 64


def request(url: str, method: str, body: str = "", *headers: str) -> bytes:
    parts = urlsplit(url)
    lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body]).encode()


class Connection(asyncio.Protocol):
    """Sends the same request again and again, each once the one before is answered."""

    def __init__(self, sent: bytes, answered: Callable[[], bool]) -> None:
        self._sent = sent
        self._answered = answered
        self._read = b""
        self._transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        self.lost = True

    def send(self) -> None:
        assert self._transport is not None
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, rest = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None or len(rest) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 2"):
            sys.exit(self._read.decode(errors="replace"))
        self._read = b""
        if self._answered():
            self.send()


class Load:
    """So many requests in all, over all connections."""

    def __init__(self, url: str, sent: bytes) -> None:
        self._at = urlsplit(url)
        self._sent = sent
        self._to_send = self._to_come = 0
        self._done = asyncio.Event()
        self._connections: list[Connection] = []

    async def run(self, count: int) -> dict[str, float]:
        await self._connect()
        self._to_send, self._to_come = count - CONNECTIONS, count
        self._done.clear()
        began = time.perf_counter()
        for connection in self._connections:
            connection.send()
        await asyncio.wait_for(self._done.wait(), 60)
        return {"seconds": time.perf_counter() - began}

    async def _connect(self) -> None:
        """Connect anew where the server has closed what was idle."""
        self._connections = [known for known in self._connections if not known.lost]
        while len(self._connections) < CONNECTIONS:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(
                lambda: Connection(self._sent, self._answered), self._at.hostname or "", self._at.port or 80
            )
            self._connections.append(made)

    def _answered(self) -> bool:
        self._to_come -= 1
        if not self._to_come:
            self._done.set()
        self._to_send -= 1
        return self._to_send >= 0


async def main(url: str, *rest: str) -> None:
    await obey(Load(url, request(url, *rest)).run)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
