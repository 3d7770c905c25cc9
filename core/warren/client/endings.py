"""Waiting for tasks to end, many at once, without a poll for each.

A process has one reply queue. A reply tells that a task ended; the record tells how. Replies are best effort (the
broker may be away, the task may have been submitted elsewhere), so all tasks that are waited for are also read from the
records, in bulk, every half second.

Forbidden here: what a task means, HTTP.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from warren.errors import TaskNotFoundError, UnavailableError

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.record import Record
    from warren.records import Records

SWEEP_SECONDS = 0.5
RECONNECT_SECONDS = 1.0
BULK = 500
MAX_WAITING = 10_000


class Endings:
    """Tells whoever waits that a task has ended. Use it as an asynchronous context manager."""

    def __init__(self, broker: Broker, records: Records, *, limit: int = MAX_WAITING) -> None:
        self._broker = broker
        self._records = records
        self._limit = limit
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []
        self.waiting = 0
        """How many callers wait at this moment."""
        self.queue: str | None = None
        """The reply queue to name in a task; None while the broker is away."""

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._sweep())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait(self, task_id: str, seconds: float) -> Record:
        """Return the task's record when it has ended, or as it stands when the seconds are over.

        Raises:
            TaskNotFoundError: there is no such record.
            UnavailableError: too many callers wait already, or the records are away.

        """
        if seconds <= 0:
            return await self._read(task_id)
        with self._expecting(task_id) as ended:
            record = await self._read(task_id)
            if record.state.terminal:
                return record
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), seconds)
        return await self._read(task_id)

    def tell(self, task_id: str | None) -> None:
        """Wake those who wait for the task."""
        for event in self._waiting.get(task_id or "", ()):
            event.set()

    async def _read(self, task_id: str) -> Record:
        [record] = await self._records.read([task_id])
        if record is None:
            detail = f"no task has the id {task_id!r}; records are kept for a while after the end, 48 hours by default"
            raise TaskNotFoundError(detail)
        return record

    @contextmanager
    def _expecting(self, task_id: str) -> Iterator[asyncio.Event]:
        if self.waiting >= self._limit:
            raise UnavailableError(f"{self.waiting} requests wait for tasks already; ask again, or without waiting")
        event = asyncio.Event()
        self._waiting[task_id].add(event)
        self.waiting += 1
        try:
            yield event
        finally:
            self.waiting -= 1
            self._waiting[task_id].discard(event)
            if not self._waiting[task_id]:
                del self._waiting[task_id]

    async def _listen(self) -> None:
        while True:
            with suppress(UnavailableError):
                await self._receive()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self) -> None:
        try:
            async with self._broker.replies() as (self.queue, replies):
                async for reply in replies:
                    self.tell(reply.message.correlation_id)
        finally:
            self.queue = None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with suppress(UnavailableError):
                await self._sweep_once()

    async def _sweep_once(self) -> None:
        ids = list(self._waiting)
        for start in range(0, len(ids), BULK):
            for record in await self._records.read(ids[start : start + BULK]):
                if record is not None and record.state.terminal:
                    self.tell(record.id)
