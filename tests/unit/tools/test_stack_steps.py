"""The steps of the main job, against a server that is busy at first."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tools.stack.steps import EXPECTED, MainJob, StepError

PREDICTIONS = {"predictions": [{"label": label} for label in EXPECTED]}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.stack.steps._PAUSE_SECONDS", 0.05)


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[str]:
    """Serve these answers one after another, the last for ever, and yield the URL."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            status, document = left.pop(0) if len(left) > 1 else left[0]
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_busy_api_is_asked_again() -> None:
    with answering((503, "busy"), (200, PREDICTIONS)) as url:
        assert MainJob(url, tick=lambda: None).predict() == EXPECTED


def test_any_other_refusal_is_told_at_once() -> None:
    with answering((404, "no such model"), (200, PREDICTIONS)) as url, pytest.raises(StepError, match=r"404.*no such"):
        MainJob(url, tick=lambda: None).predict()


def test_patience_has_an_end() -> None:
    with answering((503, "busy")) as url, pytest.raises(StepError, match=r"503.*busy"):
        MainJob(url, tick=lambda: None, patience=0.1).predict()
