"""The receivers of docs/webhooks.md, run as they stand there, against webhooks as the system pool sends them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.servers import tied
from warren.clock import Clock, ManualClock, SystemClock
from warren.outbound.addresses import Allowed
from warren.outbound.transport import Outbound
from warren.record import Record, State
from warren.webhook import new_secret
from warren_consumer.system.webhooks.post import Post
from warren_consumer.system.webhooks.signature import Signer

PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
START_SECONDS = 30
LANGUAGES = {"python": (sys.executable, "py"), "javascript": ("node", "cjs")}
RECORD = Record(id="7", name="echo", pool="cpu", state=State.SUCCEEDED, result=b'"caf\xc3\xa9"', finished_at=1.0)


def source(language: str) -> str:
    [first, *_] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(first)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def started(command: list[str], printed: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], **settings}
    with printed.open("wb") as output, printed.with_suffix(".errors").open("wb") as errors:
        return subprocess.Popen(tied(*command), env=environment, stdout=output, stderr=errors)


@asynccontextmanager
async def receiving(language: str, folder: Path, secret: str) -> AsyncIterator[tuple[int, Path]]:
    """Run the page's receiver; give its port and where it prints."""
    program, ending = LANGUAGES[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    script, printed, port = folder / f"receiver.{ending}", folder / "printed", free_port()
    script.write_text(source(language))
    process = started([program, str(script)], printed, {"WEBHOOK_SECRET": secret, "PORT": str(port)})
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await listens(port):
                assert process.poll() is None, printed.with_suffix(".errors").read_text()
                await asyncio.sleep(0.05)
        yield port, printed
    finally:
        process.kill()
        process.wait()


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def sent(port: int, *secrets: str, clock: Clock | None = None) -> int | None:
    async with Outbound(Allowed.parse(["127.0.0.1"])) as outbound:
        post = Post(outbound, Signer(secrets), clock or SystemClock())
        attempt, _ = await post.send(f"http://127.0.0.1:{port}/", RECORD)
    return attempt.status


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_receiver_takes_what_is_genuine_and_nothing_else(language: str, tmp_path: Path) -> None:
    secret, other = new_secret(), new_secret()
    async with receiving(language, tmp_path, secret) as (port, printed):
        assert await sent(port, other) == 401
        assert await sent(port) == 401, "unsigned"
        assert await sent(port, secret, clock=ManualClock()) == 401, "too old, or a replay"
        assert printed.read_text() == ""
        assert await sent(port, secret) == 204
        assert await sent(port, other, secret) == 204, "while the secret is being changed"
        lines = printed.read_text().splitlines()
    assert len(lines) == 2
    assert all(line.startswith('7_succeeded {"type":"task.succeeded"') and "café" in line for line in lines)
