"""A server's life, with a small HTTP server in the place of a large one."""

import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.stack import web
from tools.stack.credentials import Credentials
from tools.stack.process import PROGRAM_PATH, Command
from tools.stack.server import LOOPBACK, NotReadyError, Server, ServerError, is_free


@dataclass(frozen=True)
class Small:
    """A server of one port, by its arguments."""

    state: Path
    port: int
    arguments: Sequence[str]
    name: str = "small"
    start_seconds: float = 5
    stop_seconds: float = 5

    @property
    def ports(self) -> Sequence[int]:
        return (self.port,)

    def prepare(self) -> Command:
        return Command([sys.executable, *self.arguments], {"PATH": PROGRAM_PATH}, self.state)

    def check(self) -> None:
        if web.call("GET", f"http://{LOOPBACK}:{self.port}/").status != web.OK:
            message = "no answer"
            raise NotReadyError(message)


@pytest.fixture(name="port")
def _port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def serving(state: Path, port: int) -> Server[Small]:
    return Server(Small(state, port, ["-m", "http.server", "--bind", LOOPBACK, str(port)]))


def test_a_server_answers_inside_the_block_and_is_gone_after_it(tmp_path: Path, port: int) -> None:
    with serving(tmp_path, port).running() as server:
        server.spec.check()

    assert not server.process.alive()
    assert is_free(port)


def test_a_restarted_server_is_another_process_that_answers(tmp_path: Path, port: int) -> None:
    with serving(tmp_path, port).running() as server:
        before = server.process.pid
        server.restart()

        server.spec.check()
        assert server.process.pid not in {None, before}


def test_a_killed_server_can_be_started_again(tmp_path: Path, port: int) -> None:
    with serving(tmp_path, port).running() as server:
        server.kill()
        with pytest.raises(OSError, match="refused"):
            server.spec.check()

        server.restart()

        server.spec.check()


def test_a_server_that_dies_says_how_and_shows_the_end_of_its_log(tmp_path: Path, port: int) -> None:
    server = Server(Small(tmp_path, port, ["-c", "raise SystemExit('no such table')"]))

    with pytest.raises(ServerError) as failure, server.running():
        pytest.fail("it was ready")
    assert "small has ended by itself (exit status 1)" in str(failure.value)
    assert "no such table" in str(failure.value)


def test_a_server_that_is_never_ready_says_what_is_missing_and_is_ended(tmp_path: Path, port: int) -> None:
    server = Server(Small(tmp_path, port, ["-c", "import time; time.sleep(60)"], start_seconds=0.3))

    with pytest.raises(ServerError, match=r"small is not ready after 0 s: .*refused"), server.running():
        pytest.fail("it was ready")
    assert not server.process.alive()


def test_a_port_that_another_process_has_is_named(tmp_path: Path, port: int) -> None:
    with socket.create_server((LOOPBACK, port)), pytest.raises(ServerError, match=f"port {port} .* another process"):
        serving(tmp_path, port).start()


def test_waiting_calls_back_so_that_others_can_be_watched(tmp_path: Path, port: int) -> None:
    server = Server(Small(tmp_path, port, ["-c", "import time; time.sleep(60)"]))

    def tick() -> None:
        message = "another process has died"
        raise ServerError(message)

    server.start()
    try:
        with pytest.raises(ServerError, match="another process has died"):
            server.wait(tick)
    finally:
        server.stop()


def test_frozen_and_thawed(tmp_path: Path, port: int) -> None:
    with serving(tmp_path, port).running() as server:
        server.freeze()
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            web.call("GET", f"http://{LOOPBACK}:{port}/", timeout=0.2)
        assert time.monotonic() - started < 2

        server.thaw()

        server.spec.check()


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "credentials.json"

    secret = Credentials(file).secret("broker")

    assert len(secret) >= 32
    assert Credentials(file).secret("broker") == secret
    assert Credentials(file).secret("store") != secret
    assert file.stat().st_mode & 0o077 == 0
