"""The tasks of a soak: each run writes a row when it starts and one when it ends, outside of Warren.

A consumer finds them through the entry-point group `warren.tasks`. A run's result is its token, so that a record tells
which of several runs it tells of. Forbidden here: anything that a row could be lost by.
"""

import asyncio
import os
import signal
import time
import uuid
from pathlib import Path

from warren import current_task, task

ROWS = "SOAK_ROWS"
"""The variable that names the file of rows."""


def _note(word: str, number: int, run: str) -> None:
    row = f"{word} {number} {run} {os.getpid()} {time.time():.6f}\n".encode()
    file = os.open(os.environ[ROWS], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(file, row)
    finally:
        os.close(file)


def _start(number: int) -> str:
    token = uuid.uuid4().hex
    _note("start", number, f"{token} {current_task().attempt} {current_task().fence}")
    return token


@task(pool="cpu")
async def soak_waits(number: int, seconds: float) -> str:
    """Wait in the event loop."""
    token = _start(number)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        _note("stop", number, token)
        raise
    _note("end", number, token)
    return token


@task(pool="cpu")
def soak_blocks(number: int, seconds: float) -> str:
    """Wait in a thread."""
    token = _start(number)
    time.sleep(seconds)
    _note("end", number, token)
    return token


@task(pool="cpu", max_attempts=3)
async def soak_falters(number: int, seconds: float) -> str:
    """Fail at the first attempt that comes this far, and succeed at the next."""
    token = _start(number)
    await asyncio.sleep(seconds)
    marker = Path(os.environ[ROWS]).with_name(f"faltered-{number}")
    if not marker.exists():
        marker.touch()
        _note("fault", number, token)
        raise RuntimeError("as planned")
    _note("end", number, token)
    return token


@task(pool="cpu")
async def soak_kills(number: int, seconds: float) -> str:
    """Kill the consumer."""
    token = _start(number)
    await asyncio.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
    return token
