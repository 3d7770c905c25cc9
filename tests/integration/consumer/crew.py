"""Consumer processes under test, and tasks that leave traces outside of Warren: a lost or double run is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.servers import Workspace, tied

TASKS = '''
"""Tasks that write a row when they start and one when they end."""

import asyncio, os, sys, time
from warren import Retry, current_task, report_progress, task

def note(event, number):
    with open(os.environ["TRACES"], "a") as rows:
        rows.write(f"{event} {number} {os.getpid()}\\n")

@task(pool="cpu")
async def waits(number: int, seconds: float) -> int:
    note("start", number)
    await asyncio.sleep(seconds)
    note("end", number)
    return number

@task(pool="cpu")
async def leaves(number: int, seconds: float) -> None:
    """End the process, as what a function starts beside itself may try."""
    async def leave():
        sys.exit(number)
    await asyncio.gather(leave())

@task(pool="cpu")
def forwards(number: int, seconds: float) -> int:
    """Have another do it, in a task of its own."""
    note("start", number)
    return waits.delay(number + 1, seconds).get(timeout=20)

@task(pool="cpu")
def blocks(number: int, seconds: float) -> int:
    note("start", number)
    time.sleep(seconds)
    note("end", number)
    return number

@task(pool="cpu")
def burns(number: int, seconds: float) -> int:
    note("start", number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    note("end", number)
    return number

@task(pool="cpu", process=True, max_attempts=2, retry_backoff_seconds=0.5)
def spins(number: int, seconds: float) -> int:
    note("start", number)
    report_progress(0.5, str(os.getpid()))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    note("end", number)
    return number

@task(pool="cpu", process=True, max_attempts=2)
def asks_again(number: int, seconds: float) -> int:
    note("start", number)
    if current_task().attempt == 1:
        raise Retry("not yet", after=seconds)
    return number

@task(pool="cpu", process=True, timeout_seconds=2)
def overruns(number: int, seconds: float) -> int:
    return spins(number, seconds)

@task(pool="cpu", timeout_seconds=1)
def sticks(number: int, seconds: float) -> int:
    return blocks(number, seconds)
'''


@dataclass
class Crew:
    """The consumers of one test."""

    workspace: Workspace
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Install the tasks as a distribution of their own."""
        (self.folder / "traced_tasks.py").write_text(TASKS)
        described = self.folder / "traced_tasks-1.0.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: traced-tasks\nVersion: 1.0\n")
        (described / "entry_points.txt").write_text("[warren.tasks]\ntraced = traced_tasks\n")
        self.traces.touch()

    @property
    def traces(self) -> Path:
        """Where the tasks write."""
        return self.folder / "traces"

    def start(self, pool: str = "cpu", **settings: str) -> subprocess.Popen[bytes]:
        """Start a consumer with a lease of 3 s, as the user that the topology gives it."""
        user = "warren-system" if pool == "system" else "warren-consumer"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.folder),
            "TRACES": str(self.traces),
            **self.workspace.objects_environment,
            "WARREN_BROKER_URL": self.workspace.broker_url(user),
            "WARREN_RECORDS_URL": self.workspace.records_url,
            "WARREN_STORAGE_BUCKET": self.workspace.bucket,
            "WARREN_LEASE_SECONDS": "3",
            "WARREN_GRACE_SECONDS": "20",
            **settings,
        }
        command = tied(Path(sys.executable).with_name("warren-consumer"), "--pool", pool)
        log = self.folder / f"consumer-{len(self.processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stderr=output, stdout=output, cwd=self.folder)
        self.processes.append(process)
        return process

    def kill_all(self) -> None:
        """Leave no process behind."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()

    def log(self, process: subprocess.Popen[bytes]) -> str:
        """Return what a consumer has said."""
        return (self.folder / f"consumer-{self.processes.index(process)}.log").read_text()

    def pids(self, event: str) -> list[int]:
        """Return the processes that noted the event, in that order."""
        rows = (line.split() for line in self.traces.read_text().splitlines())
        return [int(pid) for said, _, pid in rows if said == event]

    def rows(self, event: str) -> Counter[int]:
        """Return how often each task noted the event, by its number."""
        rows = (line.split() for line in self.traces.read_text().splitlines())
        return Counter(int(number) for said, number, _ in rows if said == event)


def ask(port: int, path: str) -> tuple[int, str]:
    """Return the status and body of a consumer's health endpoint; 0 where there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def dependencies(port: int) -> dict[str, str]:
    """Return what a consumer says about what it depends on."""
    _, body = ask(port, "/readyz")
    found: dict[str, str] = json.loads(body)["dependencies"] if body else {}
    return found
