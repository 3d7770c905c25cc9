"""The HTTP server: an offer of another protocol is passed over, however its head comes."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
import uvicorn

from warren_producer.server import Connection, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nX-Token: t\r\nUpgrade: h2c\r\nContent-Length: 15\r\n\r\n"
FIRST = (
    HEAD.replace(b"Host: a\r\n", b"").replace(b"Upgrade: h2c\r\n", b"").replace(b"1.1\r\n", b"1.1\r\nUpgrade: h2c\r\n")
)
BODY = b"x\r\nUpgrade: y\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the header of a request, and its body."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    token = dict(scope["headers"])[b"x-token"]
    length = str(len(token + body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": token + body})


@pytest.fixture(name="address")
async def _address() -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config(
        echo, http=Connection, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1
    )
    server = Server(config, lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        yield listening.getsockname()
        server.should_exit = True
        await serving


@pytest.mark.parametrize("head", [HEAD, FIRST], ids=["in the midst", "first of all"])
async def test_an_offer_is_passed_over_wherever_its_request_is_cut(address: tuple[str, int], head: bytes) -> None:
    async def answered(cut: int) -> bytes:
        reader, writer = await asyncio.open_connection(*address)
        request = head + BODY
        writer.write(request[:cut])
        await asyncio.sleep(0.1)  # so that it comes by itself
        writer.write(request[cut:])
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"Upgrade: y\r\n")
        writer.close()
        return answer.partition(b"\r\n\r\n")[2]

    cuts = range(1, len(head + BODY))
    answers = await asyncio.gather(*map(answered, cuts), return_exceptions=True)
    assert [cut for cut, answer in zip(cuts, answers, strict=True) if answer != b"t" + BODY] == []
