"""The client for ordinary programs: the asynchronous one, run on a thread of its own.

Forbidden here: any logic. It belongs into `asynchronous`, so that both forms have it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast, overload

from warren.client import gathering
from warren.client.asynchronous import BUCKET, PATIENCE_SECONDS, PREDICT_SECONDS, AsyncClient, AsyncJob, Options
from warren.client.inputs import Row
from warren.client.loop_thread import Across, LoopThread
from warren.errors import ClientClosedError, InvalidRequestError

if TYPE_CHECKING:
    from warren.client.dead_letter import DeadLetter, DeadLetterDetail, Treated
    from warren.client.deliveries import WebhookDocument
    from warren.client.documents import TaskDocument
    from warren.client.gateway import Gateway
    from warren.client.letters import AsyncDeadLetters
    from warren.prediction import PredictResponse
    from warren.record import State
    from warren.tasks import Payload

R = TypeVar("R")
T = TypeVar("T")


class Client:
    """Submits tasks and predictions: see `AsyncClient`, whose calls and faults are the same."""

    def __init__(  # noqa: PLR0913 - what a client is made from
        self,
        url: str,
        *,
        api_key: str | None = None,
        records: str | None = None,
        bucket: str = BUCKET,
        pools: str | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._client = AsyncClient(url, api_key=api_key, records=records, bucket=bucket, pools=pools, patience=patience)
        self._thread = LoopThread()
        self._thread.when_dropped(self._client.close)
        try:
            self._thread.run(self._client.__aenter__())
        except BaseException:
            self._thread.close(self._client.close())
            raise

    def __enter__(self) -> Self:
        """Return the client, which is connected already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self.close()

    def asynchronous(self) -> AsyncClient:
        """Return a client for programs of asyncio, of any number of loops, over this one's connections.

        This one closes them.
        """
        return AsyncClient.over(cast("Gateway", Across(self._thread, self._client.gateway)), any_loop=True)

    def close(self) -> None:
        """Disconnect, for good. What other threads wait for raises `ClientClosedError`, and so do all later calls."""
        self._thread.close(self._client.close())

    def submit(
        self,
        task: str,
        /,
        args: Mapping[str, Any] | None = None,
        *,
        options: Options | None = None,
        idempotency_key: str | None = None,
        **named: Any,  # noqa: ANN401 - any JSON value
    ) -> Job[Any]:
        """Submit a task with arguments by name and return its job: see `AsyncClient.submit`."""
        submission = self._client.submit(task, args, options=options, idempotency_key=idempotency_key, **named)
        return Job(self._thread, self._thread.run(submission))

    def submit_many(
        self, requests: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> list[Job[Any]]:
        """Submit many tasks and return their jobs, in order: see `AsyncClient.submit_many`."""
        jobs = self._thread.run(self._client.submit_many(requests, idempotency_key=idempotency_key))
        return [Job(self._thread, job) for job in jobs]

    def job(self, task_id: str) -> Job[Any]:
        """Return the job of a task that was submitted before."""
        return Job(self._thread, self._client.job(task_id))

    def gather(
        self,
        jobs: Iterable[Job[Any]],
        *,
        timeout: float | None = None,
        progress: bool = False,
        return_exceptions: bool = False,
    ) -> list[Any]:
        """Wait for many jobs, with a bar if wanted, and return their results: see `gather`."""
        return gather(jobs, timeout=timeout, progress=progress, return_exceptions=return_exceptions)

    def as_completed(self, jobs: Iterable[Job[R]], *, timeout: float | None = None) -> Iterator[Job[R]]:
        """Yield each of many jobs when it has ended, however it ended: see `as_completed`."""
        return as_completed(jobs, timeout=timeout)

    def dead_letters(self, *, pool: str | None = None, task: str | None = None, code: str | None = None) -> DeadLetters:
        """Return the failed tasks (of a pool, of a name, with an error's code): to go through, replay, discard."""
        return DeadLetters(self._thread, self._client.dead_letters(pool=pool, task=task, code=code))

    def predict(
        self,
        model: str,
        rows: Sequence[Row] | None = None,
        *,
        image: bytes | None = None,
        timeout: float = PREDICT_SECONDS,
    ) -> PredictResponse:
        """Run a model on rows or on one image file's bytes: see `AsyncClient.predict`."""
        return self._thread.run(self._client.predict(model, rows, image=image, timeout=timeout))


class Job(Generic[R]):
    """A task that was submitted: see `AsyncJob`."""

    def __init__(self, thread: LoopThread, job: AsyncJob[R]) -> None:
        self._thread = thread
        self._job = job

    def reading(self, read: Callable[[Any], Any]) -> Job[R]:
        """Return this job with another way to read its result."""
        return Job(self._thread, self._job.reading(read))

    @property
    def id(self) -> str:
        """The task's id."""
        return self._job.id

    @property
    def status(self) -> State:
        """The task's state, asked for now."""
        return self._thread.run(self._job.status())

    def record(self) -> TaskDocument:
        """Return how the task stands."""
        return self._thread.run(self._job.record())

    def wait(self, timeout: float | None = None) -> TaskDocument:
        """Return how the task stands when it has ended, or when `timeout` seconds are over."""
        return self._thread.run(self._job.wait(timeout))

    @overload
    def get(self: Job[Payload | T] | Job[Coroutine[Any, Any, Payload | T]], timeout: float | None = None) -> Any: ...  # noqa: ANN401 - a payload's JSON value, or its bytes

    @overload
    def get(self: Job[Coroutine[Any, Any, T]], timeout: float | None = None) -> T: ...

    @overload
    def get(self, timeout: float | None = None) -> R: ...

    def get(self, timeout: float | None = None) -> Any:
        """Return the task's result, or raise the fault that it ended with: see `AsyncJob.get`."""
        return self._thread.run(self._job.get(timeout))

    def cancel(self) -> TaskDocument:
        """Cancel the task unless it has ended; return how it stands."""
        return self._thread.run(self._job.cancel())

    def deliveries(self) -> WebhookDocument:
        """Return what became of the task's webhook: see `AsyncJob.deliveries`."""
        return self._thread.run(self._job.deliveries())

    def redeliver(self) -> WebhookDocument:
        """Send the webhook of the task, which has ended, once more: see `AsyncJob.redeliver`."""
        return self._thread.run(self._job.redeliver())


def gather(
    jobs: Iterable[Job[Any]],
    *,
    timeout: float | None = None,
    progress: bool = False,
    return_exceptions: bool = False,
) -> list[Any]:
    """Wait until all jobs have ended and return their results in order: see `gathering.gather`."""
    given = list(jobs)
    if not given:
        return []
    thread, own = _together(given)
    work = gathering.gather(own, timeout=timeout, progress=progress, return_exceptions=return_exceptions)
    return thread.run(work)


def as_completed(jobs: Iterable[Job[R]], *, timeout: float | None = None) -> Iterator[Job[R]]:
    """Yield each job when it has ended, however it ended: see `gathering.as_completed`."""
    given = list(jobs)
    if not given:
        return
    thread, own = _together(given)
    ended = gathering.as_completed(own, timeout)
    known = dict(zip(own, given, strict=True))
    try:
        while (job := thread.run(_next(ended))) is not None:
            yield known[job]
    finally:
        with suppress(ClientClosedError):  # closing ended it
            thread.run(ended.aclose())


async def _next(ended: AsyncGenerator[AsyncJob[R], None]) -> AsyncJob[R] | None:
    """Return the next one: begun on the loop, which then knows of the generator and ends it at its own end."""
    return await anext(ended, None)


def _together(jobs: Sequence[Job[R]]) -> tuple[LoopThread, list[AsyncJob[R]]]:
    thread = jobs[0]._thread  # noqa: SLF001 - a job's own, for its own kind
    if any(job._thread is not thread for job in jobs):  # noqa: SLF001
        raise InvalidRequestError("these jobs are of several clients; wait for those of each client by themselves")
    return thread, [job._job for job in jobs]  # noqa: SLF001


class DeadLetters:
    """The dead letters that fit a filter: see `AsyncDeadLetters`."""

    def __init__(self, thread: LoopThread, letters: AsyncDeadLetters) -> None:
        self._thread = thread
        self._letters = letters

    def __iter__(self) -> Iterator[DeadLetter]:
        """Go through them, the newest end first, a page at a time."""
        page = self._thread.run(self._letters.page())
        yield from page.dead_letters
        while page.next is not None:
            page = self._thread.run(self._letters.page(page.next))
            yield from page.dead_letters

    def get(self, task_id: str) -> DeadLetterDetail:
        """Return all that is known of one: payload, error with traceback, attempts."""
        return self._thread.run(self._letters.get(task_id))

    def replay(self, task_id: str, *, pool: str | None = None, force: bool = False) -> Job[Any]:
        """Submit one anew and return the new job: see `AsyncDeadLetters.replay`."""
        return Job(self._thread, self._thread.run(self._letters.replay(task_id, pool=pool, force=force)))

    def discard(self, task_id: str) -> DeadLetter:
        """Strike one off and drop its payload; return it."""
        return self._thread.run(self._letters.discard(task_id))

    def replay_many(
        self,
        ids: Iterable[str] | None = None,
        *,
        every: bool = False,
        limit: int | None = None,
        pool: str | None = None,
        force: bool = False,
    ) -> list[Treated]:
        """Submit anew these, or all that fit the filter: see `AsyncDeadLetters.replay_many`."""
        many = self._letters.replay_many(ids, every=every, limit=limit, pool=pool, force=force)
        return self._thread.run(many)

    def discard_many(
        self, ids: Iterable[str] | None = None, *, every: bool = False, limit: int | None = None
    ) -> list[Treated]:
        """Strike off these, or all that fit the filter: see `AsyncDeadLetters.discard_many`."""
        return self._thread.run(self._letters.discard_many(ids, every=every, limit=limit))
