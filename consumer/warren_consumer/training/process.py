"""The training child as the consumer sees it: started afresh for a run, followed by its events, certainly ended.

Forbidden here: object storage, trainers, what the events lead to.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import structlog

from warren.record import Progress
from warren_consumer.handler import TaskFault
from warren_consumer.training.job import EVENT, Advanced, Done, Failed, Product

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable

    from warren_consumer.training.job import Event, Job

_MODULE: Final = "warren_consumer.training.child"
_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""An event's most: a manifest with many labels and categories is a long line."""

_LAST_SECONDS: Final = 1.0
"""How long a child may take to end after it has closed its events."""

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_log = structlog.get_logger(__name__)


async def train(job: Job, report: Callable[[Progress], None], *, threads: int) -> Product:
    """Run the job in a child process with `threads` threads for its numerics; cancellation ends the child at once.

    Raises:
        TaskFault: the run failed, or the child died.

    """
    child = await _start(threads)
    try:
        log = asyncio.create_task(_keep_log(child, job.trainer))
        event = await _follow(child, job, report)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), _LAST_SECONDS)
    finally:
        code = await _end(child)
    # Only now: processes of the child's own, which may outlive it, held its standard error open.
    await log
    if isinstance(event, Done):
        return event.product
    if isinstance(event, Failed):
        raise TaskFault(event.code, event.message, retryable=event.retryable)
    raise _died(code)


async def _start(threads: int) -> Process:
    """Start a fresh interpreter, never a fork of this one, as the leader of a process group of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        _MODULE,
        str(os.getpid()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | dict.fromkeys(_THREADS, str(threads)) | {"PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        limit=_MAX_LINE_BYTES,
    )


async def _follow(child: Process, job: Job, report: Callable[[Progress], None]) -> Event | None:
    """Give the child its job, pass its progress on, and return its last event."""
    assert child.stdin is not None  # noqa: S101 - they are pipes
    assert child.stdout is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(job.model_dump_json().encode())
        await child.stdin.drain()
    child.stdin.close()
    event: Event | None = None
    async for line in child.stdout:
        event = EVENT.validate_json(line)
        if isinstance(event, Advanced):
            report(Progress(fraction=event.fraction, message=event.message))
    return event


async def _keep_log(child: Process, trainer: str) -> None:
    """Write what the child prints into the log, line by line."""
    assert child.stderr is not None  # noqa: S101 - it is a pipe
    while chunk := await child.stderr.read(64 * 1024):
        for line in chunk.decode(errors="replace").splitlines():
            _log.info("training output", trainer=trainer, pid=child.pid, line=line)


async def _end(child: Process) -> int:
    """Kill what is left of the child's process group, reap the child, and return its exit status."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return await child.wait()


def _died(code: int) -> TaskFault:
    if code >= 0:
        detail = f"the training process ended with exit status {code} and no result"
        return TaskFault("trainer-died", detail, retryable=True)
    name = signal.Signals(-code).name
    hint = "; out of memory is the usual cause" if name == "SIGKILL" else ""
    return TaskFault("trainer-died", f"the training process was ended by {name}{hint}", retryable=True)
