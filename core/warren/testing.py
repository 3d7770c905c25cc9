"""For people's own unit tests: `with eager():` delayed calls run here and now, with no Warren anywhere.

    from warren.testing import eager

    def test_counting() -> None:
        with eager():
            assert count_words.delay("a b a").get() == {"words": 3}

Arguments and results go through JSON as they do in earnest, and failures are followed by other attempts, without the
pauses. Pools, time limits, delays, idempotency keys and child processes play no part.

Forbidden here: anything that a test of Warren itself would need.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import os
import random
import threading
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from warren.arguments import result
from warren.attempt import CurrentTask, entered
from warren.calls import Call, Terms, led_to
from warren.client import AsyncJob, Job
from warren.client.documents import TaskDocument, json_bytes
from warren.client.loop_thread import LoopThread
from warren.errors import InvalidResultError, NotFoundError, NoWebhookError
from warren.record import Outcome, Progress, State
from warren.settlement import Finish, RetryPolicy, decide, ordinary, succeeded
from warren.tasks import JSON, Payload, is_json, new_task_id

if TYPE_CHECKING:
    from warren.client.deliveries import WebhookDocument
    from warren.function import TaskFunction


@contextmanager
def eager() -> Iterator[None]:
    """Have all delayed calls of this process run at once, where they are made, until the end of the block.

    A plain function runs in the thread at hand, a coroutine function in the loop at hand or in one of its own. The job
    is returned when the task has ended; what it failed with is raised by `get()`, as always.
    """
    with led_to(Eager()):
        yield


class Eager:
    """Where calls are made at once."""

    def one(self, call: Call, terms: Terms) -> Job[Any]:
        """Make a call."""
        return Job(_thread(), _job(_run(call, terms)))

    def many(self, calls: Sequence[Call], terms: Terms) -> list[Job[Any]]:
        """Make calls, one after the other."""
        return [self.one(call, terms) for call in calls]

    async def aone(self, call: Call, terms: Terms) -> AsyncJob[Any]:
        """Make a call."""
        return _job(await _arun(call, terms))

    async def amany(self, calls: Sequence[Call], terms: Terms) -> list[AsyncJob[Any]]:
        """Make calls, one after the other."""
        return [await self.aone(call, terms) for call in calls]


class Ended:
    """A way to one task, which has ended."""

    def __init__(self, document: TaskDocument, returned: Payload) -> None:
        self.document = document
        self._returned = returned

    async def read(self, task_id: str, wait_seconds: float) -> TaskDocument:  # noqa: ARG002 - there is one, at its end
        """Return how the task ended."""
        return self.document

    async def result(self, task_id: str) -> Payload:
        """Return what the task returned."""
        if self.document.status is not State.SUCCEEDED:
            raise NotFoundError(f"the task {task_id} ended without a result")
        return self._returned

    async def cancel(self, task_id: str) -> TaskDocument:  # noqa: ARG002 - see above
        """Leave the task as it is."""
        return self.document

    async def deliveries(self, task_id: str) -> WebhookDocument:
        """Refuse: who runs a task here and now tells nobody."""
        raise NoWebhookError(f"the task {task_id} ran under eager(): its webhook is sent by nobody")

    async def redeliver(self, task_id: str) -> WebhookDocument:
        """Refuse, as `deliveries` does."""
        return await self.deliveries(task_id)


class Attempts:
    """The attempts of one call, until one of them ends the task."""

    def __init__(self, call: Call, terms: Terms) -> None:
        self.function: TaskFunction[..., Any] = call.function
        self.payload = Payload(json_bytes(call.args))
        self.outcome: Outcome | None = None
        self._options = terms.options
        self._failures = 0
        self._id = new_task_id()
        self._progress: Progress | None = None

    @contextmanager
    def attempt(self) -> Iterator[dict[str, Any]]:
        """Give the arguments of one attempt, within which it is the task at hand; what it raises is settled."""
        current = CurrentTask(
            self._id, self.function.name, self._number, self._number, math.inf, threading.Event(), self._report
        )
        try:
            with entered(current):
                yield self.function.arguments.read(self.payload, current)
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _to_be_canceled():
                raise
            self._settle(ordinary(error))

    def end(self, value: object) -> None:
        """Take what the function returned."""
        returned = result(value)
        if is_json(returned.content_type):
            _check(returned.body)
        self.outcome = succeeded(returned)

    def ended(self) -> Ended:
        """Return the way to the task."""
        outcome = self.outcome or Outcome(State.CANCELED)
        known = {
            "id": self._id,
            "task": self.function.name,
            "pool": self._options.pool or "",
            "status": outcome.state,
            "attempt": self._failures + (outcome.state is State.SUCCEEDED),
            "failures": self._failures,
            "progress": self._progress,
            "error": outcome.error,
        }
        document = TaskDocument(**{name: value for name, value in known.items() if value is not None})
        returned = Payload(outcome.result or b"null", outcome.result_type or JSON)
        if outcome.state is State.SUCCEEDED:
            document = document.with_result(returned)
        return Ended(document, returned)

    @property
    def _number(self) -> int:
        return self._failures + 1

    def _report(self, progress: Progress) -> None:
        self._progress = progress

    def _settle(self, fault: Exception) -> None:
        terms = self.function.options
        policy = RetryPolicy(self._options.max_attempts or terms.max_attempts, terms.retry_on)
        decision = decide(fault, self._failures, policy, self.payload, random.random())  # noqa: S311 - a pause
        self._failures += 1
        if isinstance(decision, Finish):
            self.outcome = decision.outcome


def _to_be_canceled() -> bool:
    """Tell whether somebody outside cancels what runs here; else a function raised `CancelledError` itself."""
    try:
        running = asyncio.current_task()
    except RuntimeError:
        return False
    return running is not None and running.cancelling() > 0


def _check(body: bytes) -> None:
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidResultError(f"the result is not JSON that can be read: {error}") from error


def _run(call: Call, terms: Terms) -> Ended:
    attempts = Attempts(call, terms)
    while attempts.outcome is None:
        with attempts.attempt() as given:
            value = attempts.function(**given)
            attempts.end(_finished(value) if inspect.isawaitable(value) else value)
    return attempts.ended()


async def _arun(call: Call, terms: Terms) -> Ended:
    attempts = Attempts(call, terms)
    while attempts.outcome is None:
        with attempts.attempt() as given:
            value = attempts.function(**given)
            attempts.end(await value if inspect.isawaitable(value) else value)
    return attempts.ended()


def _finished(awaited: Awaitable[object]) -> object:
    """Return what comes of an awaitable, in a loop of its own; where one runs already, in another thread.

    There, too, the attempt at hand is the same.
    """

    async def wait() -> object:
        return await awaited

    work = wait()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, work).result()


def _job(ended: Ended) -> AsyncJob[Any]:
    return AsyncJob(ended, ended.document.id)


@cache
def _thread() -> LoopThread:
    """Return the thread on which jobs are asked for their ends: one for the process, for as long as it lives."""
    return LoopThread("warren-eager")


os.register_at_fork(after_in_child=_thread.cache_clear)  # threads stay with the parent
