"""The port that Kubernetes and Prometheus look at: `/healthz`, `/readyz` and `/metrics`.

It is served by a thread of its own, so that it answers even when the event loop does not.

Forbidden here: asking a dependency. A probe tells what was noted before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe says: whether all is well, and a document for whoever asks why."""

    well: bool
    document: dict[str, Any] = field(default_factory=dict)


Probe = Callable[[], Answer]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing: probes come every few seconds."""


@contextmanager
def served(*, alive: Probe, ready: Probe, registry: CollectorRegistry, port: int, host: str = "") -> Iterator[int]:
    """Serve the probes and the registry's metrics on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """
    application = _application({"/healthz": alive, "/readyz": ready}, registry)
    server = make_server(host, port, _heading(application), _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="probes")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _heading(application: WSGIApplication) -> WSGIApplication:
    """Answer HEAD as GET, without the content (RFC 9110, 9.3.2): monitors and load balancers ask so."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return application(environ, start)
        told: list[Any] = []
        content = application({**environ, "REQUEST_METHOD": "GET"}, lambda *head: told.extend(head))  # type: ignore[arg-type]
        start(told[0], [*told[1], ("Content-Length", str(sum(map(len, content))))])
        return []

    return answer


def _application(probes: dict[str, Probe], registry: CollectorRegistry) -> WSGIApplication:
    metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            exposition: Iterable[bytes] = metrics(environ, start)
            return exposition
        if probe := probes.get(path):
            return _json(start, probe())
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"try /healthz, /readyz or /metrics\n"]

    return answer


def _json(start: StartResponse, answer: Answer) -> list[bytes]:
    start("200 OK" if answer.well else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [orjson.dumps(answer.document) + b"\n"]
