"""A child as the consumer sees it: started afresh, spoken to, certainly ended.

Forbidden here: what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final, Self

import structlog

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Iterable, Mapping

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""An event's most: a manifest with many labels and categories is a long line."""

_LOG_SECONDS: Final = 1.0
"""How long the last that a child printed may take to be read."""

_PIECE_BYTES: Final = 4096
"""How much of what a child prints is logged before others get their turn: each byte may be a line."""

_LONGEST_LINE_BYTES: Final = 64 * 1024
"""A line of more is logged in parts."""

_log = structlog.get_logger(__name__)


class Child:
    """A process of a consumer's."""

    def __init__(self, process: Process, purpose: str) -> None:
        assert process.stdin is not None  # noqa: S101 - they are pipes
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._orders = process.stdin
        self.events = process.stdout
        """What the child tells; at its end when the child has ended."""
        self._logging = asyncio.create_task(self._keep_log(purpose))

    @classmethod
    async def start(cls, module: str, *, purpose: str, environment: Mapping[str, str] | None = None) -> Self:
        """Start a child that runs the module; `purpose` goes with what it prints in the log."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | dict(environment or {}) | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            limit=_MAX_LINE_BYTES,
        )
        return cls(process, purpose)

    @property
    def pid(self) -> int:
        """The child's process id, which is its process group's too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return self._process.returncode is None

    async def order(self, *data: bytes) -> None:
        """Send the child its orders; one that has ended does not get them, as the end of its events will tell."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._orders.writelines(data)
            await self._orders.drain()

    def order_no_more(self) -> None:
        """Close the child's orders."""
        self._orders.close()

    async def wait(self, seconds: float) -> None:
        """Wait for the child to end by itself, so long at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), seconds)

    async def end(self, *, patience_seconds: float = 0) -> int:
        """End the child and all of its process group, and return its exit status.

        With patience they are asked by SIGTERM first; what is left after it gets SIGKILL, also if this is cancelled.
        """
        try:
            if patience_seconds and self.running:
                self._signal(signal.SIGTERM)
                await self.wait(patience_seconds)
        finally:
            self._signal(signal.SIGKILL)
            code = await self._bury()
        return code

    async def _bury(self) -> int:
        """Reap the child that was killed, and close what leads to it."""
        code = await self._process.wait()
        self._orders.close()
        # Only now: processes of the child's own, which may outlive it, held its standard error open. One that left the
        # process group holds it still.
        await asyncio.wait({self._logging}, timeout=_LOG_SECONDS)
        self._logging.cancel()
        await asyncio.wait({self._logging})
        return code

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    async def _keep_log(self, purpose: str) -> None:
        """Write what the child prints into the log, line by line."""
        printed = self._process.stderr
        assert printed is not None  # noqa: S101 - it is a pipe
        begun = b""
        try:
            while piece := await printed.read(_PIECE_BYTES):
                *lines, begun = _lines(begun + piece)
                self._log_lines(purpose, lines)
                await asyncio.sleep(0)  # what is here already is read without a pause
        finally:  # canceled, too: its end does not come while another process holds it
            self._log_lines(purpose, [begun] if begun else [])

    def _log_lines(self, purpose: str, lines: Iterable[bytes]) -> None:
        for line in lines:
            text = line.rstrip(b"\r\n").decode(errors="replace")
            _log.info("output of a child process", purpose=purpose, pid=self.pid, line=text)


def _lines(printed: bytes) -> list[bytes]:
    """Return the lines of what was printed, and at last what more may come to: after CR, LF may."""
    lines = printed.splitlines(keepends=True)
    last = lines[-1]
    whole = last.endswith(b"\n") or (len(last) >= _LONGEST_LINE_BYTES and not last.endswith(b"\r"))
    return [*lines, b""] if whole else lines


def death(code: int) -> str:
    """Say how a child died, by its exit status; the sentence goes on from what the child is."""
    if code >= 0:
        return f"ended with exit status {code} and no result"
    name = signal.Signals(-code).name
    hint = "; out of memory is the usual cause" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
