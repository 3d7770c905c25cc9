"""Health: what a consumer says about itself to Kubernetes and to Prometheus.

It is served by a thread of its own, so that an event loop that hangs is told apart from a process that is gone.

Forbidden here: asking a dependency; what is known was noted before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

HANGING_SECONDS: Final = 60.0
"""How long the event loop may say nothing before the process counts as hanging."""


class Health:
    """What was last noted about this process and what it depends on."""

    def __init__(self, dependencies: Iterable[str], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._problems: dict[str, str | None] = dict.fromkeys(dependencies, "not reached yet")
        self._seen = now()

    def note(self, dependency: str, problem: str | None) -> None:
        """Note what is wrong with a dependency; None says that it is well."""
        self._problems[dependency] = problem
        self._seen = self._now()

    @property
    def alive(self) -> bool:
        """Whether the event loop still turns."""
        return self._now() - self._seen < HANGING_SECONDS

    @property
    def ready(self) -> bool:
        """Whether the process does what it is for."""
        return self.alive and not any(self._problems.values())

    def document(self) -> dict[str, object]:
        """Return each dependency with its state."""
        states = {name: problem or "ok" for name, problem in self._problems.items()}
        return {"ready": self.ready, "dependencies": states}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing: probes come every few seconds."""


@contextmanager
def served(health: Health, registry: CollectorRegistry, port: int, host: str = "") -> Iterator[int]:
    """Serve `/healthz`, `/readyz` and `/metrics` on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """
    server = make_server(host, port, _application(health, registry), _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="health")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _application(health: Health, registry: CollectorRegistry) -> Callable[..., Iterable[bytes]]:
    metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                exposition: Iterable[bytes] = metrics(environ, start)
                return exposition
            case "/healthz":
                return _json(start, {"alive": health.alive}, well=health.alive)
            case "/readyz":
                return _json(start, health.document(), well=health.ready)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"try /healthz, /readyz or /metrics\n"]

    return answer


def _json(start: StartResponse, document: dict[str, object], *, well: bool) -> list[bytes]:
    start("200 OK" if well else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [orjson.dumps(document) + b"\n"]
