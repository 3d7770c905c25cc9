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

from warren.record import Progress
from warren.tasks import Payload, Task


class TaskFault(Exception):  # noqa: N818 - a word of its own: an error that a task's author declares
    """An attempt failed in a way that the handler can name.

    `code` is a stable word for programs, `message` a sentence for the person who submitted the task. `retryable` says
    whether another attempt may succeed (a dependency was away) or never will (the input is wrong).
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


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
