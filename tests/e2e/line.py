"""A line to an API that can be lost: at this end its address stays the same, whatever becomes of the other."""

import socket
import threading
from contextlib import suppress
from typing import Self

_CHUNK = 65536


class Line:
    """Leads from a port of this machine to an address. Use it as a context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._to = ("127.0.0.1", 0)
        self._counting = threading.Lock()
        self._to_lose = 0
        self.lost = 0
        """How many answers did not arrive."""

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        _hang_up(self._socket)
        self._socket.close()

    @property
    def url(self) -> str:
        """What it is reached by."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def lead_to(self, address: str) -> None:
        """Lead what connects from now on to `host:port`."""
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))

    def lose(self, answers: int) -> None:
        """Hang up in place of the next answers, so many of them: what was asked has been done by then."""
        self._to_lose = answers

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._to) as far:
            asking = threading.Thread(target=_pass_on, args=(near, far), daemon=True)
            asking.start()
            while (answer := far.recv(_CHUNK)) and not self._loses():
                near.sendall(answer)
            _hang_up(near, far)
            asking.join()

    def _loses(self) -> bool:
        with self._counting:
            loses = self._to_lose > 0
            self._to_lose -= loses
            self.lost += loses
        return loses


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
    _hang_up(source, target)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
