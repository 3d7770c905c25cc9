"""The training child: `python -m warren_consumer.training.child PARENT`, a job as JSON in, events as JSON lines out.

It dies with its parent, and whatever libraries print goes to stderr, which the parent keeps in its log.

Forbidden here: object storage, the broker, the records; asyncio.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Final, TextIO

from warren_consumer.handler import TaskFault
from warren_consumer.training.job import Advanced, Done, Failed, Job
from warren_consumer.training.trainer import load

if TYPE_CHECKING:
    from warren_consumer.training.job import Event

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Run one job."""
    die_with_parent(int(sys.argv[1]))
    events = _claim_stdout()
    event = run(Job.model_validate_json(sys.stdin.read()), events)
    _tell(events, event)


def run(job: Job, events: TextIO) -> Event:
    """Return how the job ended; its progress goes to `events`."""

    def report(fraction: float, message: str) -> None:
        _tell(events, Advanced(fraction=fraction, message=message))

    try:
        product = load(job.trainer).train(job, report)
    except TaskFault as fault:
        return Failed(code=fault.code, message=fault.message, retryable=fault.retryable)
    except MemoryError:
        return Failed(code="out-of-memory", message="the training run ran out of memory", retryable=True)
    except Exception as error:  # noqa: BLE001 - a trainer is foreign code, and its parent must learn of any error
        traceback.print_exc()
        return Failed(code="trainer-failed", message=f"{job.trainer}: {type(error).__name__}: {error}")
    return Done(product=product)


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent ends, and end at once if it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")


def _claim_stdout() -> TextIO:
    """Keep stdout for events alone: from here on file descriptor 1, also for C libraries, is stderr."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


def _tell(events: TextIO, event: Event) -> None:
    events.write(event.model_dump_json() + "\n")
    events.flush()


if __name__ == "__main__":
    main()
