"""A web server on loopback with the sample files of examples/, which counts who asks at the same time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Samples:
    """What is served, and how many requests there were at once."""

    url: str = ""
    pause_seconds: float = 0
    """How long each request takes."""
    most: Counter[str] = field(default_factory=Counter)
    """How many requests at once there were at most, by package and in all."""
    _now: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def audio(self) -> str:
        """A tone of 2.5 seconds."""
        return f"{self.url}/audio_length/tests/files/tone.ogg"

    @property
    def results(self) -> str:
        """A page with three draws."""
        return f"{self.url}/lottery_results/tests/pages/results.html"

    @contextmanager
    def asked(self, path: str) -> Iterator[None]:
        """Count a request meanwhile."""
        names = (path.split("/")[1], "all")
        with self._lock:
            self._now.update(names)
            for name in names:
                self.most[name] = max(self.most[name], self._now[name])
        time.sleep(self.pause_seconds)
        with self._lock:
            self._now.subtract(names)
        yield


class _Handler(SimpleHTTPRequestHandler):
    samples: Samples

    def do_GET(self) -> None:
        with self.samples.asked(self.path):
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[Samples]:
    """Serve the samples meanwhile."""
    samples = Samples()
    handler = partial(type("OfThese", (_Handler,), {"samples": samples}), directory=str(EXAMPLES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        samples.url = f"http://127.0.0.1:{server.server_port}"
        yield samples
        server.shutdown()
        serving.join()
