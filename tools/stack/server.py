"""A server's life: from a spec that says what to run to a process that answers, and back to nothing.

Hooks for faults (kill, freeze, thaw, restart) act on the server's own process alone.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from tools.stack.process import Command, Process

LOOPBACK = "127.0.0.1"
_POLL_SECONDS = 0.05


class ServerError(Exception):
    """A server could not be started, or died; the message ends with the end of its log."""


class NotReadyError(Exception):
    """A server does not answer as it should yet; the message says what is missing."""


class Spec(Protocol):
    """What there is to know about one server. Everything it writes is under `state`."""

    @property
    def name(self) -> str:
        """A word for messages and file names."""

    @property
    def state(self) -> Path:
        """Its folder."""

    @property
    def ports(self) -> Sequence[int]:
        """The loopback ports that it listens on."""

    @property
    def start_seconds(self) -> float:
        """How long it may take to be ready."""

    @property
    def stop_seconds(self) -> float:
        """How long it may take to end by itself before it is killed."""

    def prepare(self) -> Command:
        """Write the configuration and return what to run."""

    def check(self) -> None:
        """Raise `NotReadyError` or `OSError` unless it answers as it should."""


SpecT = TypeVar("SpecT", bound=Spec)


class Server(Generic[SpecT]):
    """One server by its spec."""

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec
        self.process = Process(spec.name, spec.state)

    def start(self) -> None:
        """Start it without waiting until it is ready, after ending one that an earlier run left behind."""
        self.spec.state.mkdir(parents=True, exist_ok=True)
        self.process.end_stale()
        for port in self.spec.ports:
            if not is_free(port):
                message = f"{self.spec.name} needs port {port} of {LOOPBACK}, and another process listens there"
                raise ServerError(message)
        self.process.start(self.spec.prepare())

    def wait(self, tick: Callable[[], None] = lambda: None) -> None:
        """Return once it is ready; `tick` is called while waiting.

        Raises `ServerError` if it ends by itself or takes too long.
        """
        deadline = time.monotonic() + self.spec.start_seconds
        while (missing := self._missing()) is not None:
            if not self.process.alive():
                raise self.died()
            if time.monotonic() > deadline:
                raise self._error(f"{self.spec.name} is not ready after {self.spec.start_seconds:.0f} s: {missing}")
            tick()
            time.sleep(_POLL_SECONDS)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run it, ready, inside the block."""
        try:
            self.start()
            self.wait()
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """End it, certainly."""
        self.process.stop(self.spec.stop_seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """End it if it runs, start it again on the same state, and wait until it is ready."""
        self.stop()
        self.start()
        self.wait()

    def freeze(self) -> None:
        """Let it hang."""
        self.process.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self.process.thaw()

    def died(self) -> ServerError:
        """Return the error that says how it ended by itself, with the end of its log."""
        return self._error(f"{self.spec.name} has ended by itself ({self.process.exit_status()})")

    def _missing(self) -> str | None:
        try:
            self.spec.check()
        except (NotReadyError, OSError) as error:
            return str(error)
        return None

    def _error(self, message: str) -> ServerError:
        log = self.process.log
        return ServerError(f"{message}\n--- the end of {log} ---\n{self.process.log_tail()}\n---")


def is_free(port: int) -> bool:
    """Tell whether nobody listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
