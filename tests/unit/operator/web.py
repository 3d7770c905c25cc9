"""A web server on loopback that answers whatever it is asked, as a Prometheus or a node of the broker may."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread


@contextmanager
def serving(body: bytes | Callable[[], bytes], status: int = 200, *, password: str | None = None) -> Iterator[str]:
    """Give its address; the body is always the same, or made anew for each request.

    Whoever does not say the password, if there is one, as `user:password`, is answered 401.
    """
    wanted = password and f"Basic {b64encode(password.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            said = body if isinstance(body, bytes) else body()
            self.send_response(status if self.headers["Authorization"] == wanted else 401)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
