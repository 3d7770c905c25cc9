"""The training child as the consumer sees it: one for each run, followed by its events.

Forbidden here: object storage, trainers, what the events lead to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from warren.record import Progress
from warren_consumer.children.process import Child, death
from warren_consumer.handler import TaskFault
from warren_consumer.training.job import EVENT, Advanced, Done, Failed, Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from warren_consumer.training.job import Event, Job

_MODULE: Final = "warren_consumer.training.child"

_LAST_SECONDS: Final = 1.0
"""How long a child may take to end after it has closed its events."""

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


async def train(job: Job, report: Callable[[Progress], None], *, threads: int) -> Product:
    """Run the job in a child process with `threads` threads for its numerics; cancellation ends the child at once.

    Raises:
        TaskFault: the run failed, or the child died.

    """
    child = await Child.start(_MODULE, purpose=job.trainer, environment=dict.fromkeys(_THREADS, str(threads)))
    try:
        event = await _follow(child, job, report)
        await child.wait(_LAST_SECONDS)
    finally:
        code = await child.end()
    if isinstance(event, Done):
        return event.product
    if isinstance(event, Failed):
        raise TaskFault(event.code, event.message, retryable=event.retryable)
    raise TaskFault("trainer-died", f"the training process {death(code)}", retryable=True)


async def _follow(child: Child, job: Job, report: Callable[[Progress], None]) -> Event | None:
    """Give the child its job, pass its progress on, and return its last event."""
    await child.order(job.model_dump_json().encode())
    child.order_no_more()
    event: Event | None = None
    async for line in child.events:
        event = EVENT.validate_json(line)
        if isinstance(event, Advanced):
            report(Progress(fraction=event.fraction, message=event.message))
    return event
