"""A web server on loopback that answers whatever it is asked, as a Prometheus or a node of the broker may."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread


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
            self.send_response(status if wanted in {None, self.headers["Authorization"]} else 401)
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


@contextmanager
def dribbling() -> Iterator[str]:
    """Give the address of a server that begins an answer and goes on with a byte at a time."""
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not done.wait(0.002):
                    connection.sendall(b" ")

        thread = Thread(target=dribble, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            thread.join()
