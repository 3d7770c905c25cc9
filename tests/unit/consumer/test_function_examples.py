"""The examples of docs/functions.md, run as they stand there."""

from __future__ import annotations

import importlib.util
import re
import threading
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from tests.integration.consumer.processes import install
from warren import Fail, Retry
from warren.errors import SettingsError, UrlRefusedError
from warren.function import find_functions
from warren.record import Progress
from warren.tasks import Payload, Task
from warren_consumer.functions.executors import Executors
from warren_consumer.functions.handlers import registrations
from warren_consumer.handler import Context

PAGE = Path(__file__).parents[3] / "docs" / "functions.md"
SOURCE = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))


class Busy(BaseHTTPRequestHandler):
    """Answers `/busy` with 429 and anything else with five bytes."""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.TOO_MANY_REQUESTS if self.path == "/busy" else HTTPStatus.OK)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """Give the address of a web site."""
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the examples as a module of an installed package."""
    install(tmp_path, "my_tasks", SOURCE, "warren.tasks", {"mine": "my_tasks"})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    spec = importlib.util.spec_from_file_location("my_tasks", tmp_path / "my_tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Consumer:
    """Runs the examples as a consumer does."""

    def __init__(self, module: ModuleType) -> None:
        self.executors = Executors(2)
        self.progress: list[Progress] = []
        self._known = registrations(find_functions([module]), self.executors)

    async def call(self, name: str, **arguments: Any) -> Any:
        """Return what the example makes of the arguments."""
        task = Task(name, "cpu", Payload(orjson.dumps(arguments)), id="t1")
        return orjson.loads((await self._known[name].handler(Context(task, 1, 7, self.progress.append))).body)


@pytest.fixture
async def consumer(examples: ModuleType) -> AsyncIterator[Consumer]:
    """Give a consumer of which no child is left."""
    consumer = Consumer(examples)
    yield consumer
    await consumer.executors.close()


async def test_counting_words(consumer: Consumer) -> None:
    assert await consumer.call("count_words", text="a b a") == {"words": 3, "different": 2}


async def test_failing_and_trying_again(consumer: Consumer, site: str) -> None:
    assert await consumer.call("size_of", url=site) == 5
    with pytest.raises(Retry) as again:
        await consumer.call("size_of", url=f"{site}/busy")
    assert again.value.after == 60
    with pytest.raises(Fail, match="no address"):
        await consumer.call("size_of", url="file:///etc/passwd")
    # An error of HTTP keeps its connection, which nobody closes.
    again.value.__cause__.close()  # type: ignore[union-attr]


async def test_progress(consumer: Consumer) -> None:
    assert await consumer.call("primes_below", limit=20_000) == 2262
    assert 0 < consumer.progress[-1].fraction < 1
    assert await consumer.call("count_lines", text="a\nb") == 2
    assert consumer.progress[-1] == Progress(fraction=0.5, message="attempt 1")


async def test_a_users_url(consumer: Consumer, site: str) -> None:
    assert await consumer.call("beginning_of", url=site) == "hello"
    with pytest.raises(UrlRefusedError, match="MINE_ALLOW"):
        await consumer.call("beginning_of", url="http://169.254.169.254/latest")
    assert await consumer.call("page_at", url=site) == "hello"
    with pytest.raises(Retry, match="answers 429"):
        await consumer.call("page_at", url=f"{site}/busy")


async def test_settings_of_ones_own(consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_ALLOW", "*.media.svc 10.1.2.0/24")
    assert await consumer.call("hosts_allowed") == ["*.media.svc", "10.1.2.0/24"]
    monkeypatch.setenv("MINE_MOST", "7")
    with pytest.raises(SettingsError, match="MINE_MOST: unknown; Settings knows MINE_ALLOW, MINE_MOST_BYTES"):
        await consumer.call("hosts_allowed")


async def test_writing_once(consumer: Consumer, tmp_path: Path) -> None:
    target = tmp_path / "t1.json"
    for _ in range(2):
        assert await consumer.call("store", folder=str(tmp_path), value=1.5) == str(target)
    assert orjson.loads(target.read_bytes()) == {"value": 1.5, "attempt": 1}
