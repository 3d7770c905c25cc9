"""The training child: `python -m warren_consumer.training.child PARENT`, a job as JSON in, events as JSON lines out.

It dies with its parent, and whatever libraries print goes to stderr, which the parent keeps in its log.

Forbidden here: object storage, the broker, the records; asyncio.
"""

from __future__ import annotations

import io
import traceback
from typing import TYPE_CHECKING, TextIO

from warren_consumer.children.inside import begin
from warren_consumer.handler import TaskFault
from warren_consumer.training.job import Advanced, Done, Failed, Job
from warren_consumer.training.trainer import load

if TYPE_CHECKING:
    from warren_consumer.training.job import Event


def main() -> None:
    """Run one job."""
    orders, told = begin()
    events = io.TextIOWrapper(told, encoding="utf-8")
    event = run(Job.model_validate_json(orders.read()), events)
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


def _tell(events: TextIO, event: Event) -> None:
    events.write(event.model_dump_json() + "\n")
    events.flush()


if __name__ == "__main__":
    main()
