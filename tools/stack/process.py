"""One local process that is ours: started once, known again after a crash of ours, and certainly ended.

A pid alone proves nothing, since it is used again: a process is ours when its start time and the boot are those that
were written down. Signals go to such a process only.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH of every server: the machine's own, without what a developer's shell adds."""

_POLL_SECONDS = 0.02
_KILLED_WITHIN_SECONDS = 5.0
_TAIL_BYTES = 8192
_THREADS_FIELD = 17
_START_TIME_FIELD = 19
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Command:
    """What to run: arguments, the whole environment, and the folder to run it in."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Identity:
    """A process that no other can be taken for: pid, start time in clock ticks since boot, and the boot."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return who has `pid` now; None for nobody, and for one that has ended and was not waited for."""
        try:
            # The command name, in parentheses, may hold anything; the fields follow the last one.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # A process whose first thread has ended is shown as a zombie while the others still hold its ports.
        if fields[0] in "ZX" and int(fields[_THREADS_FIELD]) <= 1:
            return None
        return cls(pid, int(fields[_START_TIME_FIELD]), _BOOT.read_text().strip())

    def alive(self) -> bool:
        """Tell whether this very process still runs."""
        return Identity.of(self.pid) == self


class Process:
    """A process with a pid file and a log in its state folder.

    The kernel kills it when the thread that started it ends, however that comes about: asked to end, a server may be
    frozen, or wait for clients. The pid file is for the rest, such as one whose starter died before the kernel knew.
    """

    def __init__(self, name: str, state: Path) -> None:
        self.name = name
        self.log = state / f"{name}.log"
        self._record = state / f"{name}.pid"
        self._identity: Identity | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, command: Command) -> None:
        """Start it, after ending one that an earlier run left behind. The log is new; the one before is kept once."""
        if threading.current_thread() is not threading.main_thread():
            message = f"{self.name} must be started by the main thread: the kernel ends it with the thread"
            raise RuntimeError(message)
        self.end_stale()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.before"))
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command.arguments],
                env=command.environment,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C reaches only us, and its whole group can be ended.
                start_new_session=True,
            )
        self._identity = Identity.of(self._child.pid)
        self._write_record()

    def end_stale(self) -> None:
        """End the process that the pid file names, if that very one still runs."""
        left = self._read_record()
        if left is not None and left.alive():
            _signal_group(left.pid, signal.SIGKILL)
            _wait_until(lambda: not left.alive(), _KILLED_WITHIN_SECONDS)
        self._record.unlink(missing_ok=True)

    @property
    def pid(self) -> int | None:
        """Its pid while it runs."""
        return self._identity.pid if self.alive() and self._identity else None

    def alive(self) -> bool:
        """Tell whether it runs (frozen counts)."""
        return self._identity is not None and self._identity.alive()

    def exit_status(self) -> str:
        """Say how it ended."""
        if self._child is None:
            return "was not started"
        # Looked at without waiting for it, so that its group's number stays its own until `kill`.
        ended = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return "has not ended"
        if ended.si_code == os.CLD_EXITED:
            return f"exit status {ended.si_status}"
        return f"ended by {signal.Signals(ended.si_status).name}"

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)

    def stop(self, grace: float) -> None:
        """Ask it to end, wait `grace` seconds, then kill it and all of its group. Nothing is left afterwards."""
        self.terminate()
        _wait_until(lambda: not self.alive(), grace)
        self.kill()

    def kill(self) -> None:
        """Kill it and all of its group at once."""
        if self._child is None:
            return
        if self._child.returncode is None:
            # Before it is waited for: until then nobody else can have its group's number.
            _signal_group(self._child.pid, signal.SIGKILL)
            self._child.wait(_KILLED_WITHIN_SECONDS)
        self._record.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop its main process where it is, as a long pause of the machine would."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def log_tail(self, lines: int = 25) -> str:
        """Return the end of its log, without colours."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return "\n".join(plain(log.read().decode(errors="replace")).splitlines()[-lines:])

    def _send(self, number: signal.Signals) -> None:
        if self._identity is not None and self._identity.alive():
            os.kill(self._identity.pid, number)

    def _write_record(self) -> None:
        if self._identity is not None:
            # Whole or not at all: others read it at any moment, and the end may come at any.
            written = self._record.with_suffix(".pid.new")
            written.write_text(json.dumps(asdict(self._identity)))
            written.replace(self._record)

    def _read_record(self) -> Identity | None:
        try:
            return Identity(**json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def plain(text: str) -> str:
    """Return the text without a terminal's colour codes."""
    return _COLOURS.sub("", text)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _wait_until(met: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
