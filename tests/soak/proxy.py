"""A TCP proxy that can become a black hole: it neither forwards nor closes.

Connections that were open then stay dead for good, as those of a machine whose cable was cut; what connects meanwhile
is swallowed; what connects afterwards goes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65536


class Proxy:
    """Forwards one loopback port to another, while it runs."""

    def __init__(self, port: int, to: int) -> None:
        self.port = port
        self._to = to
        self._hole = asyncio.Event()
        self._joined: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self.running():
            await asyncio.Event().wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the block. At its end it hangs up; what connects then is refused, until it serves again."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for joined in self._joined:
                joined.cancel()
            await asyncio.gather(*self._joined, return_exceptions=True)

    def cut(self) -> None:
        """Become a black hole."""
        self._hole.set()

    def mend(self) -> None:
        """Forward what connects from now on."""
        self._hole = asyncio.Event()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer))
        self._joined.add(serving)
        serving.add_done_callback(self._joined.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hole = self._hole
        try:
            if hole.is_set():
                await _swallow(reader)
            else:
                await self._join(reader, writer, hole)
        except OSError:
            pass
        finally:
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hole: asyncio.Event) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        try:
            await asyncio.gather(_forward(reader, there_writer, hole), _forward(there_reader, writer, hole))
        finally:
            there_writer.close()


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter, hole: asyncio.Event) -> None:
    with suppress(OSError):
        while chunk := await source.read(CHUNK):
            if hole.is_set():
                await _swallow(source)
                break
            target.write(chunk)
            await target.drain()
    # Beyond a black hole, neither side learns of the other's end: each has to find out by itself.
    if not hole.is_set():
        target.close()


async def _swallow(source: asyncio.StreamReader) -> None:
    with suppress(OSError):
        while await source.read(CHUNK):
            pass
