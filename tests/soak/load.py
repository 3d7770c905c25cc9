"""The load: tasks submitted over HTTP under idempotency keys, at a bounded rate, so that so many are in flight."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.soak import plan
from tests.soak.plan import Job
from tests.soak.verdict import Accepted, Problem
from warren.client import AsyncClient
from warren.errors import UnavailableError, WarrenError

AT_ONCE = 16
_TICK_SECONDS = 0.1
_POISON_NUMBERS = 1_000_000


@dataclass
class Load:
    """Keeps `in_flight` tasks accepted and not ended, `most` in all; `open_tasks` counts those that have not ended."""

    url: str
    seed: int
    in_flight: int
    rate: float
    most: int
    opened: Callable[[str], None]
    open_tasks: Callable[[], int]
    accepted: dict[int, Accepted] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    """How often a submission had to be made again, by what was said."""
    paused: bool = False
    _submitting: set[asyncio.Task[None]] = field(default_factory=set)
    _next: int = 0
    poisons: int = 0
    """How many tasks that kill their consumers were submitted."""

    async def run(self) -> None:
        """Submit until cancelled."""
        self._slots = asyncio.Semaphore(AT_ONCE)
        async with AsyncClient(self.url, patience=1.0) as self._client:
            while True:
                for _ in range(self._wanted()):
                    self._begin(plan.job(self.seed, self._next))
                    self._next += 1
                await asyncio.sleep(_TICK_SECONDS)

    def poison(self) -> None:
        """Submit one task that kills its consumers."""
        self._begin(Job(_POISON_NUMBERS + self.poisons, plan.Kind.KILLS, 0.2, twice=False))
        self.poisons += 1

    @property
    def settled(self) -> bool:
        """Whether every submission has been answered."""
        return not self._submitting

    @property
    def unanswered(self) -> int:
        """How many submissions have not been answered yet."""
        return len(self._submitting)

    def _wanted(self) -> int:
        if self.paused:
            return 0
        missing = self.in_flight - self.open_tasks() - len(self._submitting)
        return max(0, min(missing, round(self.rate * _TICK_SECONDS), self.most - self._next))

    def _begin(self, job: Job) -> None:
        self._beside(self._submit(job))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._submitting.add(task)
        task.add_done_callback(self._submitting.discard)

    async def _cancel(self, task_id: str, after: float) -> None:
        """Cancel until it is answered."""
        await asyncio.sleep(after)
        while True:
            try:
                await self._client.job(task_id).cancel()
            except UnavailableError as error:
                self.refusals[error.detail] += 1
                await asyncio.sleep(0.5)
            else:
                return

    async def _submit(self, job: Job) -> None:
        async with self._slots:
            asked = time.time()
            task_id = await self._insist(job)
            self.accepted[job.number] = Accepted(job, task_id, asked, time.time())
            self.opened(task_id)
            if job.cancel_after is not None:
                self._beside(self._cancel(task_id, job.cancel_after))
            if job.twice and (again := await self._insist(job)) != task_id:
                self.problems.append(Problem("accepted twice under one key", job.number, task_id, again))

    async def _insist(self, job: Job) -> str:
        """Submit until accepted: whatever was answered or not, the key makes it one task."""
        key = f"soak-{self.seed}-{job.number}"
        args = {"number": job.number, "seconds": job.seconds}
        options = {"delay_seconds": job.delay} | ({"expires_seconds": job.expires} if job.expires else {})
        while True:
            try:
                return (await self._client.submit(job.kind.value, args, options=options, idempotency_key=key)).id
            except UnavailableError as error:
                self.refusals[error.detail] += 1
            except WarrenError as error:
                self.problems.append(Problem("refused", job.number, "", f"{type(error).__name__}: {error}"))
            await asyncio.sleep(0.5)
