"""The seam between the worker and the work: a handler turns a task into its result.

The worker owns deliveries, leases and records; a handler knows nothing of them.

Forbidden here: the broker, the records.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from warren.attempt import TaskFault
from warren.record import Progress
from warren.tasks import Payload, Task

__all__ = ["Context", "Handler", "TaskFault"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is given beside its input."""

    task: Task
    attempt: int
    fence: int
    report: Callable[[Progress], None]
    """Tell how far the work has come; it reaches the record within about a second. Not awaited, cheap."""
    deadline: float = math.inf
    """When the attempt's time is up, by `time.monotonic()`."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set right before the handler is cancelled, for work that cannot see a cancellation."""


class Handler(Protocol):
    """Turns a task into its result.

    It is stopped by cancellation (`asyncio.CancelledError`): on a lost lease, a cancel, its timeout or shutdown. It
    must end within 10 s then, its child processes with it.
    """

    async def __call__(self, context: Context, /) -> Payload:
        """Do the work of one attempt.

        Raises:
            TaskFault: the attempt failed, for a reason that has a name.
            Exception: the attempt failed; recorded as `exception` with its traceback, and retried while attempts are
                left.

        """
