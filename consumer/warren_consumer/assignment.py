"""An assignment: a task that this process holds, from its delivery to the ack.

Forbidden here: I/O.
"""

from __future__ import annotations

import asyncio
import math
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren.broker import Delivery
    from warren.record import Lease, Progress
    from warren.tasks import Task
    from warren_consumer.handlers import Registration


class Stop(StrEnum):
    """Why work is stopped before its end."""

    LOST = "lost"
    """The record ended, or another consumer holds a newer fence."""
    HELD = "held"
    """The task's MLJob was suspended."""
    SHUTDOWN = "shutdown"
    """This process ends."""


class Assignment:
    """A task at hand, and how its work is told to stop."""

    def __init__(self, delivery: Delivery, task: Task, registration: Registration | None) -> None:
        self.delivery = delivery
        self.presented = delivery
        """The delivery at hand when the record store was asked last; a newer one may tell of something newer."""
        self.task = task
        self.registration = registration
        """Who does it; None where this consumer does not know the task."""
        self.lease: Lease | None = None
        self.progress: Progress | None = None
        self.told: Progress | None = None
        """Of the progress, what the record says."""
        self.seen_at = math.inf
        """When its lease was given or its record last looked at, by `time.monotonic()`."""
        self.waiting = True
        """Whether it still waits for a slot, and can go back at once."""
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()

    def adopt(self, delivery: Delivery) -> Delivery:
        """Take a newer delivery of the same task; return the one that it replaces."""
        replaced, self.delivery = self.delivery, delivery
        return replaced

    async def ack(self) -> None:
        """Settle the delivery for good, and any that replaced it meanwhile: one left over would block the prefetch."""
        acked = None
        while acked is not self.delivery:
            acked = self.delivery
            await acked.ack()

    def report(self, progress: Progress) -> None:
        """Note how far the work has come; the record learns of it soon."""
        self.progress = progress

    def stop(self, reason: Stop) -> None:
        """Ask the work to stop; the first reason counts."""
        if not self.stopped.done():
            self.stopped.set_result(reason)
