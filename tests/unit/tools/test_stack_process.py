"""Processes that are ours: started once, known again, certainly ended."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tools.stack.process import Command, Identity, Process

SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
SLEEP = ("sleep", "60")
DEAF = ("env", "--ignore-signal=TERM", *SLEEP)
LOOSE = ("setpriv", "--pdeathsig", "clear", *SLEEP)
LEADERLESS = """
import ctypes, threading, time
threading.Thread(target=lambda: (print('up', flush=True), time.sleep(60))).start()
ctypes.CDLL(None).pthread_exit(None)
"""
SUPERVISOR = """
import sys, time
from pathlib import Path
from tools.stack.process import Command, Process

process = Process("sleeper", Path(sys.argv[1]))
process.start(Command(sys.argv[2:], {"PATH": "/usr/bin:/bin"}, Path("/")))
print(process.pid, flush=True)
time.sleep(60)
"""


def python(code: str) -> Command:
    return Command([sys.executable, "-c", code], {"PATH": os.environ["PATH"]}, Path("/"))


def eventually(met: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.01)
    return met()


@pytest.fixture(name="process")
def _process(tmp_path: Path) -> Iterator[Process]:
    process = Process("sleeper", tmp_path)
    yield process
    process.kill()


def start(process: Process, code: str) -> None:
    process.start(python(code))
    assert eventually(lambda: bool(process.log_tail()))


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def supervised(state: Path, *command: str) -> tuple[subprocess.Popen[str], Identity]:
    """Start a process, which becomes `sleep`, of another supervisor than this one."""
    arguments = [sys.executable, "-c", SUPERVISOR, str(state), *command]
    supervisor = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor.stdout:
        identity = Identity.of(int(supervisor.stdout.readline()))
    assert identity is not None
    assert eventually(lambda: name_of(identity.pid) == "sleep")  # until then a supervisor's end goes unnoticed
    return supervisor, identity


def test_stop_ends_a_process_that_listens(process: Process) -> None:
    start(process, SLEEPER)
    assert process.alive()

    started = time.monotonic()
    process.stop(grace=30)

    assert not process.alive()
    assert time.monotonic() - started < 5


def test_stop_ends_a_process_that_does_not_listen(process: Process) -> None:
    start(process, STUBBORN)

    process.stop(grace=0.2)

    assert not process.alive()


def test_stop_ends_a_frozen_process_that_does_not_listen(process: Process) -> None:
    start(process, STUBBORN)
    process.freeze()

    process.stop(grace=0.2)

    assert not process.alive()


def test_the_children_of_a_process_end_with_it_even_after_it_ended_by_itself(process: Process) -> None:
    start(process, PARENT)
    child = Identity.of(int(process.log_tail()))
    assert child is not None
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: not process.alive())
    assert process.exit_status() == "ended by SIGKILL"
    assert child.alive()

    process.stop(grace=1)

    assert eventually(lambda: not child.alive())


def test_a_process_lives_as_long_as_any_of_its_threads(process: Process) -> None:
    start(process, LEADERLESS)
    assert process.pid is not None
    pid = process.pid
    assert eventually(lambda: state_of(pid) == "Z")

    assert process.alive()
    process.stop(grace=0.2)

    assert not process.alive()


def test_the_exit_status_is_told(process: Process) -> None:
    process.start(python("raise SystemExit(3)"))

    assert eventually(lambda: not process.alive())
    assert process.exit_status() == "exit status 3"


def test_the_tail_of_the_log_has_both_outputs_and_no_colours(process: Process) -> None:
    process.start(python(r"import sys; print('\x1b[31mone', flush=True); print('two', file=sys.stderr)"))

    assert eventually(lambda: process.log_tail() == "one\ntwo")


def test_the_log_of_the_run_before_is_kept_once(process: Process) -> None:
    start(process, "print('first')")
    process.kill()
    start(process, "print('second')")

    assert process.log_tail() == "second"
    assert process.log.with_suffix(".log.before").read_text() == "first\n"


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("command", [SLEEP, DEAF], ids=["listens", "deaf"])
def test_a_process_ends_when_its_supervisor_is_killed(tmp_path: Path, command: Sequence[str], *, frozen: bool) -> None:
    supervisor, orphan = supervised(tmp_path, *command)
    if frozen:
        os.kill(orphan.pid, signal.SIGSTOP)
        assert eventually(lambda: state_of(orphan.pid) == "T")

    supervisor.kill()
    supervisor.wait()

    assert eventually(lambda: not orphan.alive())


def test_a_process_that_survived_its_supervisor_is_ended_by_the_next_start(tmp_path: Path) -> None:
    supervisor, orphan = supervised(tmp_path, *LOOSE)
    supervisor.kill()
    supervisor.wait()
    assert orphan.alive()

    Process("sleeper", tmp_path).end_stale()

    assert not orphan.alive()


def test_a_process_that_only_has_the_number_of_an_old_one_is_left_alone(process: Process, tmp_path: Path) -> None:
    start(process, SLEEPER)
    identity = Identity.of(process.pid or 0)
    assert identity is not None
    record = {"pid": identity.pid, "started": identity.started - 1, "boot": identity.boot}
    (tmp_path / "sleeper.pid").write_text(json.dumps(record))

    Process("sleeper", tmp_path).end_stale()

    assert process.alive()


@pytest.mark.parametrize("text", ["", "123", "{}", '{"pid": 1}'])
def test_a_damaged_pid_file_is_no_obstacle(process: Process, tmp_path: Path, text: str) -> None:
    (tmp_path / "sleeper.pid").write_text(text)

    start(process, SLEEPER)

    assert process.alive()


def test_a_thread_may_not_start_a_process(process: Process) -> None:
    refused: list[str] = []

    def attempt() -> None:
        try:
            process.start(python(SLEEPER))
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()

    assert len(refused) == 1
    assert "main thread" in refused[0]
