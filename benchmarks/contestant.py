"""A contestant: one side of a comparison, or a helper of it, as a process of its own on given cores.

Forbidden here: what it does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

ORDER_SECONDS: Final = 90.0
STOP_SECONDS: Final = 10.0
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ContestantError(Exception):
    """A contestant ended, or did not carry out an order in time; the message ends with what it said last."""


class Contestant:
    """A process that takes orders (a number a line) or none, and can be frozen; the kernel ends it with this one."""

    def __init__(
        self, name: str, command: Sequence[str], *, cores: Sequence[int], environment: Mapping[str, str], folder: Path
    ) -> None:
        self._name = name
        self._log = folder / f"{name}.log"
        pinned = ["taskset", "--cpu-list", ",".join(map(str, cores))]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *pinned, *command],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def order(self, count: int) -> dict[str, float]:
        """Have it do something so many times; return what it measured meanwhile."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ContestantError(f"{self._name} takes no orders")
        try:
            self._process.stdin.write(f"{count}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._fault("ended") from None
        ready, _, _ = select.select([self._process.stdout], [], [], ORDER_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            raise self._fault("ended" if ready else f"did not answer within {ORDER_SECONDS:.0f} s")
        answer: dict[str, float] = json.loads(line)
        return answer

    def freeze(self) -> None:
        """Stop all of its processes where they are."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * _PAGE

    def check(self) -> None:
        """Raise if it has ended by itself."""
        if self._process.poll() is not None:
            raise self._fault("ended")

    def stop(self) -> None:
        """End it and all of its group."""
        self.thaw()
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _fault(self, what: str) -> ContestantError:
        said = self._log.read_text(errors="replace")[-2000:]
        return ContestantError(f"{self._name} {what}:\n{said}")
