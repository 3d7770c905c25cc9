"""Which handler does which task, and on what terms.

Forbidden here: doing the work, I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from warren.record import Record
from warren.settlement import Backoff, RetryPolicy
from warren.tasks import Task
from warren_consumer.handler import Context, Handler, TaskFault

SERVE_TIMEOUT_SECONDS: Final = 1500.0
"""How long an attempt on a `serve` pool may run unless the task says otherwise: less than RabbitMQ's own limit of 30
minutes for a delivery, so that the task's deadline comes first."""

TRAIN_TIMEOUT_SECONDS: Final = 30 * 24 * 3600.0
"""The same for `train` pools, whose queues carry a limit of 35 days."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler and the terms on which it runs where the submitter gave none."""

    handler: Handler
    timeout_seconds: float = SERVE_TIMEOUT_SECONDS
    max_attempts: int = 1
    retry_on: tuple[type[Exception], ...] = (Exception,)
    backoff: Backoff = field(default_factory=Backoff)

    def policy(self, task: Task) -> RetryPolicy:
        """Return when another attempt of the task may follow."""
        most = task.options.max_attempts or self.max_attempts
        return RetryPolicy(most, self.retry_on, retry_timeouts=task.owner is None, backoff=self.backoff)

    def time_limit(self, task: Task, record: Record) -> float:
        """Return the seconds that this attempt may run.

        An MLJob's limit counts the running time of all of its attempts.
        """
        whole = task.options.timeout_seconds or self.timeout_seconds
        return max(0.0, whole - record.running_seconds) if task.owner else whole


Registrations = Mapping[str, Registration]


def refusal(code: str, reason: str) -> Registration:
    """Return a handler that ends its task as failed; `reason` goes on from the task's name."""

    async def refuse(context: Context) -> NoReturn:
        raise TaskFault(code, f"the task {context.task.name!r} {reason}")

    return Registration(refuse)
