from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from tests.soak.proxy import Proxy
from tools.stack.server import is_free

pytestmark = pytest.mark.usefixtures("hurry")

PORTS = range(27_900, 27_990)[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) :: 16]
"""Those of this worker of pytest-xdist: two that look for a free one find the same."""


async def capitals(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line in capitals."""
    while line := await reader.readline():
        writer.write(line.upper())
    writer.close()


@pytest.fixture(name="stopped")
async def _stopped() -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(capitals, "127.0.0.1", 0)
    yield Proxy(next(filter(is_free, PORTS)), server.sockets[0].getsockname()[1])
    server.close()


@pytest.fixture(name="proxy")
async def _proxy(stopped: Proxy) -> AsyncIterator[Proxy]:
    async with stopped.running():
        yield stopped


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, proxy: Proxy) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def ask(self, line: bytes, seconds: float = 30) -> bytes:
        self.writer.write(line)
        async with asyncio.timeout(seconds):
            return await self.reader.readline()

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            await self.ask(b"hello?\n", seconds=0.2)


async def test_it_forwards_both_ways_and_the_end(proxy: Proxy) -> None:
    caller = await Caller.to(proxy)
    assert await caller.ask(b"hello\n") == b"HELLO\n"
    caller.writer.write_eof()
    assert await caller.reader.read() == b""
    caller.writer.close()


async def test_what_was_open_stays_dead_without_a_word_and_what_connects_later_works(proxy: Proxy) -> None:
    before = await Caller.to(proxy)
    assert await before.ask(b"hello\n") == b"HELLO\n"
    proxy.cut()
    meanwhile = await Caller.to(proxy)
    for caller in (before, meanwhile):
        await caller.hears_nothing()
    proxy.mend()
    after = await Caller.to(proxy)
    assert await after.ask(b"hello\n") == b"HELLO\n"
    await before.hears_nothing()
    for caller in (before, meanwhile, after):
        caller.writer.close()


async def test_at_its_end_it_hangs_up_and_refuses_until_it_runs_again_and_leaves_nothing_behind(stopped: Proxy) -> None:
    before = asyncio.all_tasks()
    async with stopped.running():
        caller, dead = await Caller.to(stopped), await Caller.to(stopped)
        assert await caller.ask(b"hello\n") == b"HELLO\n"
        stopped.cut()
        await dead.hears_nothing()
    for one in (caller, dead):
        assert await one.reader.read() == b""
        one.writer.close()
    with pytest.raises(ConnectionRefusedError):
        await Caller.to(stopped)
    stopped.mend()
    async with stopped.running():
        again = await Caller.to(stopped)
        assert await again.ask(b"hello\n") == b"HELLO\n"
        again.writer.close()
    await asyncio.sleep(0.05)  # the server learns that all is over
    assert asyncio.all_tasks() == before
