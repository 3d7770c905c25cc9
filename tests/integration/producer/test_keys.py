"""A real producer that asks for keys: rotation without a gap, bodies without an end, tasks of one's own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from tests.integration.producer.conftest import Consumer, Producer, producing
from tests.integration.producer.test_sizes import memory_mb
from tests.integration.servers import Workspace
from warren import AsyncClient
from warren.errors import TaskNotFoundError, UnauthorizedError
from warren.keys import key_id
from warren_producer.bodies import DRAINED_SECONDS, STRANGERS_SECONDS

PROGRAMS = Path(sys.executable).parent
MEGA = 1024 * 1024
CHUNK = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Where the keys' entries are."""
    folder = tmp_path / "keys"
    folder.mkdir()
    return folder


@pytest.fixture(name="guarded")
def _guarded(workspace: Workspace, tmp_path: Path, folder: Path) -> Iterator[Producer]:
    """A producer that asks for keys."""
    with producing(workspace, tmp_path / "producer.log", WARREN_KEYS_DIR=str(folder)) as producer:
        yield producer


def create(folder: Path, name: str, *arguments: str) -> str:
    """Make a key with the command; return it."""
    command = [str(PROGRAMS / "warren"), "keys", "create", name, "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def status(producer: Producer, key: str) -> int:
    """Return how a request with the key is answered."""
    return httpx2.get(f"{producer.url}/v1/pools", headers={"Authorization": f"Bearer {key}"}).status_code


def changes_to(producer: Producer, key: str, wanted: int) -> float:
    """Return after how many seconds requests with the key are answered so."""
    began = time.monotonic()
    while status(producer, key) != wanted:
        assert time.monotonic() - began < 10, f"not {wanted} within 10 s"
        time.sleep(0.1)
    return time.monotonic() - began


async def test_a_key_is_replaced_without_a_request_that_fails(
    guarded: Producer, folder: Path, consumer: Consumer
) -> None:
    old = create(folder, "ci")
    await asyncio.to_thread(changes_to, guarded, old, 200)
    async with consumer.working(), AsyncClient(guarded.url, api_key=old) as before:
        job = await before.submit("echo", text="hello")
        assert await job.get(timeout=10) == {"text": "hello"}
        new = create(folder, "ci")
        await asyncio.to_thread(changes_to, guarded, new, 200)
        async with AsyncClient(guarded.url, api_key=new, patience=0) as after:
            (folder / f"ci.{key_id(old)}").unlink()
            refused = asyncio.create_task(asyncio.to_thread(changes_to, guarded, old, 401))
            while not refused.done():
                assert (await after.job(job.id).record()).caller == "ci"
            assert await refused < 5
            assert await (await after.submit("echo", text="again")).get(timeout=10) == {"text": "again"}
            with pytest.raises(UnauthorizedError, match="not valid"):
                await before.job(job.id).status()
    log = guarded.log.read_text()
    assert "API keys were read" in log
    assert not [key for key in (old, new) if key.split("_", 2)[2] in log]


async def test_a_task_is_its_keys_also_in_a_real_store(guarded: Producer, folder: Path, consumer: Consumer) -> None:
    keys = {name: create(folder, name) for name in ("ann", "bob")}
    keys["root"] = create(folder, "root", "--scope", "admin")
    await asyncio.to_thread(changes_to, guarded, keys["root"], 200)
    async with (
        consumer.working(),
        AsyncClient(guarded.url, api_key=keys["ann"]) as ann,
        AsyncClient(guarded.url, api_key=keys["bob"]) as bob,
        AsyncClient(guarded.url, api_key=keys["root"]) as root,
    ):
        jobs = [await client.submit("echo", text="x", idempotency_key="k") for client in (ann, bob)]
        assert jobs[0].id != jobs[1].id
        assert await jobs[0].get(timeout=10) == await root.job(jobs[0].id).get(timeout=10) == {"text": "x"}
        for ask in (bob.job(jobs[0].id).record, bob.job(jobs[0].id).cancel, bob.job(jobs[0].id).wait):
            with pytest.raises(TaskNotFoundError):
                await ask()
        assert (await root.job(jobs[1].id).wait(10)).caller == "bob"


def begun(producer: Producer, key: str | None) -> socket.socket:
    """Begin a request whose body does not say how long it is."""
    connection = socket.create_connection(("127.0.0.1", producer.port), timeout=30)
    who = f"Authorization: Bearer {key}\r\n" if key else ""
    head = "Content-Type: application/json\r\nTransfer-Encoding: chunked"
    connection.sendall(f"POST /v1/tasks HTTP/1.1\r\nHost: api\r\n{who}{head}\r\n\r\n".encode())
    return connection


def flood(producer: Producer, key: str | None) -> int:
    """Send a body as fast as it goes until the connection is closed; return how much was taken."""
    sent, give_up = 0, time.monotonic() + 30
    with begun(producer, key) as connection, suppress(ConnectionError):
        while time.monotonic() < give_up:
            connection.sendall(CHUNK)
            sent += len(CHUNK)
        pytest.fail("the connection was never closed")
    return sent


def stall(producer: Producer, key: str | None) -> bytes:
    """Send the beginning of a body and nothing more; return all that is answered until the connection is closed."""
    answer = b""
    with begun(producer, key) as connection:
        connection.sendall(CHUNK)
        while more := connection.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize("known", [True, False], ids=["a small limit", "a stranger"])
def test_a_body_that_never_ends_is_refused_while_it_comes(guarded: Producer, folder: Path, known: bool) -> None:  # noqa: FBT001
    key = create(folder, "small", "--max-body-bytes", "4096")
    changes_to(guarded, key, 200)
    assert guarded.process is not None
    before = memory_mb(guarded.process.pid, "VmRSS")
    sent = flood(guarded, key if known else None)
    assert sent < (80 if known else 20) * MEGA
    began = time.monotonic()
    answer = stall(guarded, key if known else None)
    assert time.monotonic() - began < (DRAINED_SECONDS if known else STRANGERS_SECONDS) + 3
    assert answer.startswith(b"HTTP/1.1 413" if known else b"HTTP/1.1 401"), answer
    assert (b"max_body_bytes of the API key" in answer) is known
    assert memory_mb(guarded.process.pid, "VmHWM") - before < 40
    assert status(guarded, key) == 200


def test_a_folder_that_never_was_stops_the_process_at_start(tmp_path: Path) -> None:
    environ = {
        "WARREN_BROKER_URL": "amqp://127.0.0.1:1",
        "WARREN_RECORDS_URL": "redis://127.0.0.1:1",
        "WARREN_KEYS_DIR": str(tmp_path / "typo"),
    }
    done = subprocess.run(
        [PROGRAMS / "warren-producer"], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("warren-producer: WARREN_KEYS_DIR: there is no folder")
