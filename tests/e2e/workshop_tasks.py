"""Tasks as a user's own package has them, for the pool of the same name.

Forbidden here: imports of anything that is not in the consumer's image.
"""

import os
import signal
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from warren import CurrentTask, Retry, current_task, report_progress, task

POOL = "workshop"
SHELF = Path("/shelf")
"""A volume that all of the pool's pods share, and that outlives them."""

ROWS = SHELF / "rows"
KNOCKS = 3
"""How often `knock` is attempted."""
FALTERS = 3
"""How often `falter` is."""


@task(pool=POOL)
def carve(seconds: float) -> int:
    """Work for a while, between two rows that are written outside of Warren; return the attempt's number."""
    _write_row("started")
    time.sleep(seconds)
    _write_row("ended")
    return current_task().attempt


@task(pool=POOL)
async def chime() -> int:
    """Do nothing but write the two rows, in no thread of its own; return the attempt's number."""
    _write_row("started")
    _write_row("ended")
    return current_task().attempt


@task(pool=POOL)
def linger(seconds: float) -> int:
    """Work for a while in the first attempt, and not at all in those after it; return the attempt's number."""
    mine = current_task()
    _write_row("started")
    if mine.attempt == 1:
        time.sleep(seconds)
    _write_row("ended")
    return mine.attempt


@task(pool=POOL)
def assemble(part: str) -> str:
    """Fail for as long as the part is not on the shelf."""
    if not (SHELF / part).exists():
        msg = f"the part {part!r} is not on the shelf"
        raise FileNotFoundError(msg)
    return part


@task(pool=POOL, process=True)
def look_around() -> dict[str, object]:
    """Return what a child process may do: who it is, and where it may write."""
    with tempfile.TemporaryFile() as file:
        file.write(b"shavings")
    return {
        "process": os.getpid(),
        "consumer": os.getppid(),
        "user": os.getuid(),
        "writable": [folder for folder in ("/", "/etc", "/opt/warren", "/tasks", "/tmp") if os.access(folder, os.W_OK)],  # noqa: S108 - it is looked at
    }


@task(pool=POOL, process=True, timeout_seconds=300)
def grind(seconds: float) -> int:
    """Compute in a child process, deaf to whoever tells it to stop; return its process id."""
    end = time.monotonic() + seconds
    report_progress(0.0, str(os.getpid()))
    while time.monotonic() < end:
        pass
    return os.getpid()


@task(pool=POOL, process=True)
def hoard(mebibytes: int) -> int:
    """Take that much memory, and use it."""
    return len(_taken(mebibytes))


@task(pool=POOL)
def burst(mebibytes: int) -> int:
    """Take that much memory from the consumer itself, in the first attempt only; return the attempt's number."""
    mine = current_task()
    tried = SHELF / f"burst-{mine.id}"
    if not tried.exists():
        tried.touch()
        _taken(mebibytes)
    return mine.attempt


@task(pool=POOL)
def crush() -> None:
    """End the consumer's own process, every time."""
    _write_row("started")
    os._exit(1)


@task(pool=POOL, max_attempts=KNOCKS)
def knock(after: float) -> list[float]:
    """Ask for another attempt after so many seconds until the last; return how many passed between the attempts."""
    mine = current_task()
    with (SHELF / f"knock-{mine.id}").open("a+") as heard:
        heard.write(f"{time.time()}\n")
        heard.seek(0)
        times = [float(line) for line in heard]
    if mine.attempt < KNOCKS:
        raise Retry(after=after)
    return [later - sooner for sooner, later in pairwise(times)]


@task(pool=POOL, max_attempts=FALTERS, retry_on=(ConnectionError,))
def falter(*, declared: bool) -> None:
    """Fail after a row, every time: by an error after which another attempt may help, or by any other."""
    _write_row("started")
    raise (ConnectionError if declared else LookupError)("no use")


@task(pool=POOL, process=True, timeout_seconds=2)
def ignore(seconds: float) -> None:
    """Compute in a child process for longer than it may, and ignore whatever signal can be ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    grind(seconds)


@task(pool=POOL, process=True)
def heed(steps: int, mine: CurrentTask) -> None:
    """Tell of each step, and write a row when all are done or it is told to stop."""
    for step in range(steps):
        mine.report_progress(step / steps, str(os.getpid()))
        if mine.canceled:
            break
        time.sleep(0.1)
    _write_row("ended")


@task(pool=POOL)
def pass_on(seconds: float) -> int:
    """Have another consumer, or this one, do it in a task of its own."""
    return carve.delay(seconds).get(timeout=30)


def _taken(mebibytes: int) -> bytearray:
    return bytearray(b"x") * (mebibytes * 2**20)


def _write_row(word: str) -> None:
    line = f"{current_task().id} {word} {time.time():.3f}\n".encode()
    file = os.open(ROWS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o660)
    try:
        os.write(file, line)  # at once: rows of several processes never mix
    finally:
        os.close(file)
