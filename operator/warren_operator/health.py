"""The port for probes and metrics: `/healthz` fails when a loop has stood still, `/metrics` is for Prometheus.

It is served from a thread, so that it answers even when the event loop does not: then the age of the last round tells.

Forbidden here: decisions, Kubernetes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from warren_operator.loop import Loop

STALE_SECONDS: Final = 120.0
"""A loop that has ended no round for so long is stuck, and the process is better started anew."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Say nothing: probes come every few seconds."""


@contextmanager
def served(loops: Sequence[Loop], port: int, host: str = "") -> Iterator[int]:
    """Serve `/healthz`, `/readyz` and `/metrics` on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """
    server = make_server(host, port, _application(loops), _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="health")
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _application(loops: Sequence[Loop]) -> Callable[..., Iterable[bytes]]:
    metrics = make_wsgi_app()

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            answered: Iterable[bytes] = metrics(environ, start)
            return answered
        if path in {"/healthz", "/readyz"}:
            stuck = [f"{loop.name}: no round has ended for {loop.age:.0f} s" for loop in loops
                     if loop.age > STALE_SECONDS]
            return _text(start, "503 Service Unavailable" if stuck else "200 OK", "\n".join(stuck) or "ok")
        return _text(start, "404 Not Found", "try /healthz, /readyz or /metrics")

    return answer


def _text(start: StartResponse, status: str, text: str) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{text}\n".encode()]
