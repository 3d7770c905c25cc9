"""The cluster's own processes, remembered by pid and start time so that no other process is ever touched."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.cluster.layout import LOGS, RUN

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SUFFIX = ".process.json"


@dataclass(frozen=True)
class Process:
    """A process that was started here; `started` names the boot and the clock tick of its start."""

    name: str
    pid: int
    started: str


def start(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Process:
    """Start `command` in a session of its own, its output in the log `name`, and remember it."""
    with log(name).open("w") as output:
        child = subprocess.Popen(
            command,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process(name, child.pid, started_at(child.pid) or "gone")
    (RUN / f"{name}{_SUFFIX}").write_text(json.dumps(asdict(process)))
    return process


def remembered() -> list[Process]:
    """Return the processes that were started and not stopped since, alive or not."""
    return [Process(**json.loads(path.read_text())) for path in sorted(RUN.glob(f"*{_SUFFIX}"))]


def alive(process: Process) -> bool:
    """Tell whether this very process runs: the same pid with another start time is somebody else's."""
    return started_at(process.pid) == process.started


def death(name: str) -> str | None:
    """Say how the process `name` ended, with the end of its log; None while it runs."""
    if any(process.name == name and alive(process) for process in remembered()):
        return None
    return f"{name} has ended; the end of {log(name)}:\n{tail(name)}"


def end(process: Process) -> None:
    """Kill the process and forget it: what it leaves behind is removed with the cluster, so it need not tidy up."""
    if alive(process):
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    (RUN / f"{process.name}{_SUFFIX}").unlink(missing_ok=True)


def log(name: str) -> Path:
    """Where the output of the process `name` goes."""
    return LOGS / f"{name}.log"


def tail(name: str, lines: int = 15) -> str:
    """Return the last lines of the log of the process `name`."""
    path = log(name)
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join(line[:400] for line in text.splitlines()[-lines:])


def started_at(pid: int) -> str | None:
    """Return boot and clock tick at which `pid` started; None when there is no such process, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = fields[0], fields[19]
    return None if state == "Z" else f"{_BOOT.read_text().strip()}:{ticks}"
