"""An API on loopback whose tasks end when a test says so: what real connections do shows on real ones only."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import orjson


class Loopback:
    """Answers over connections that stay open, and counts them."""

    def __init__(self) -> None:
        self.connections = self.most_connections = 0
        self.waiting = 0
        """How many long polls are under way."""
        self.looks = 0
        self._ends: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._serving: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self._port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def end(self, *task_ids: str) -> None:
        """End tasks, each with its id as the result."""
        for task_id in task_ids:
            self._ends[task_id].set()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Return when it has been asked often enough."""
        while not reached():
            self._asked.clear()
            await self._asked.wait()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Loopback]:
        """Serve on a free port."""
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0, backlog=1000)
        self._port = server.sockets[0].getsockname()[1]
        async with server:
            yield self
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.most_connections = max(self.most_connections, self.connections)
        try:
            while True:
                writer.write(_response(await self._answer(*await _read(reader))))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has let go, or the test is over
        finally:
            self.connections -= 1
            writer.close()

    async def _answer(self, method: str, task_id: str, seconds: float) -> dict[str, str]:
        ended = self._ends[task_id]
        self.looks += method == "GET"
        self.waiting += seconds > 0
        self._asked.set()
        try:
            await self._wait(ended, seconds)
        finally:
            self.waiting -= seconds > 0
        known = {"id": task_id, "task": "echo", "pool": "cpu"}
        if ended.is_set():
            return known | {"status": "succeeded", "result": task_id, "result_type": "application/json"}
        return known | {"status": "started"}

    async def _wait(self, ended: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()


async def _read(reader: asyncio.StreamReader) -> tuple[str, str, float]:
    """Return a request's method, the last part of its path, and for how many seconds it would like to wait."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    await reader.readexactly(int(headers.get("content-length", "0")))
    return method, path.rpartition("/")[2], float(headers.get("prefer", "wait=0").removeprefix("wait="))


def _response(document: dict[str, str]) -> bytes:
    body = orjson.dumps(document)
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
