"""Watching tasks, many at once, without a poll for each: who waits for a task's end, and who is told of every change.

Word of a change comes by the process' reply queue (of tasks that it submitted itself to wait for) and by the broker's
events (of all others). Word only hastens: what is shown is always a record. Word is best effort, so all tasks in view
are also read, in bulk, every half second.

Forbidden here: what a task means, HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import structlog

from warren.client.caller import ANYBODY, Caller
from warren.client.view import View
from warren.errors import RateLimitedError, TaskNotFoundError, UnavailableError
from warren.shares import Shares

if TYPE_CHECKING:
    from warren.broker import Broker, Subscription
    from warren.record import Record
    from warren.records import Records

SWEEP_SECONDS = 0.5
RECONNECT_SECONDS: Final = 0.5
LINGER_SECONDS: Final = 10.0
"""How long events are still listened to after the last viewer has gone: the next one is often near."""

BULK: Final = 500
MOST_NAMES: Final = 50
"""With more different tasks in view, all events are listened to instead of theirs."""

MAX_VIEWERS: Final = 10_000

Gone: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Returns once nobody is there any more to be answered."""

log = structlog.get_logger(__name__)


class Watch:
    """Shows tasks to whoever waits for them or follows them. Use it as an asynchronous context manager."""

    def __init__(self, broker: Broker, records: Records, *, limit: int = MAX_VIEWERS) -> None:
        self._broker = broker
        self._records = records
        self._places = Shares(limit)
        self._views: defaultdict[str, set[View]] = defaultdict(set)
        self._following: set[View] = set()
        self._names: Counter[str] = Counter()
        self._renamed = asyncio.Event()
        self._hinted: set[str] = set()
        self._hint = asyncio.Event()
        self._closing = False
        self._over = False
        self._tried = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.queue: str | None = None
        """The reply queue to name in a task; None while the broker is away."""

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        duties = (self._receive_replies(), self._hear_events(), self._heed_hints(), self._sweep())
        self._tasks = [asyncio.create_task(duty) for duty in duties]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def viewers(self) -> int:
        """How many requests wait for a task or follow one at this moment."""
        return self._places.taken

    def require_room(self, name: str | None) -> None:
        """Require a place to wait for the caller of this name.

        Raises:
            RateLimitedError: the caller has its share of all viewers already.
            UnavailableError: there are too many viewers already.

        """
        places = self._places
        if not places.left:
            raise UnavailableError(f"{places.taken} requests wait for tasks already; ask again, or without waiting")
        if not places.fair(name):
            detail = f"{places.held(name)} requests of the API key of {name} wait for tasks already, its share of all"
            raise RateLimitedError(f"{detail}; ask again, or without waiting", retry_after=1)

    async def ready(self) -> None:
        """Return when there is a reply queue, or the first try to get one has failed.

        A task that is submitted before has no reply, and its name's events are listened to in place of that.
        """
        await self._tried.wait()

    async def wait(self, task_id: str, seconds: float, caller: Caller = ANYBODY, gone: Gone | None = None) -> Record:
        """Return the task's record when it has ended, or as it stands when the seconds are over, or with `gone`.

        Raises:
            TaskNotFoundError: there is no such record for the caller.
            RateLimitedError: the caller has its share of all viewers already.
            UnavailableError: there are too many viewers already, or the records are away.

        """
        if seconds > 0:
            end = time.monotonic() + seconds
            async with self._view(task_id, caller) as view:
                with _until(gone, view):
                    while not (view.over or self._over) and await view.changed(end - time.monotonic()):
                        pass
                if view.record.state.terminal:
                    return view.record
        return await self._read(task_id, caller)

    @asynccontextmanager
    async def follow(self, task_id: str, caller: Caller = ANYBODY) -> AsyncIterator[View]:
        """Give a view of every change of the task, until it has ended or `dismiss` is called.

        Raises:
            TaskNotFoundError: there is no such record for the caller.
            RateLimitedError: the caller has its share of all viewers already.
            UnavailableError: there are too many viewers already, or the records are away.

        """
        async with self._view(task_id, caller, follow=True) as view:
            self._following.add(view)
            if self._closing:
                view.end()
            try:
                yield view
            finally:
                self._following.discard(view)

    def dismiss(self, patience_seconds: float) -> None:
        """End the views of all who follow a task, now and from now on; those who wait may go on for so long.

        Then they learn how their tasks stand: cut off by the end of the process they would not know of tasks that were
        accepted.
        """
        self._closing = True
        for view in self._following:
            view.end()
        asyncio.get_running_loop().call_later(patience_seconds, self._end_waits)

    def tell(self, task_id: str | None) -> None:
        """Have the task looked at now: something has become of it."""
        if task_id is not None and task_id in self._views:
            self._hinted.add(task_id)
            self._hint.set()

    def _end_waits(self) -> None:
        self._over = True
        for view in chain.from_iterable(self._views.values()):
            view.end()

    async def _read(self, task_id: str, caller: Caller) -> Record:
        [record] = await self._records.read([task_id])
        if record is None or not caller.sees(record):
            detail = f"no task has the id {task_id!r}; records are kept for a while after the end, 48 hours by default"
            raise TaskNotFoundError(detail)
        return record

    @asynccontextmanager
    async def _view(self, task_id: str, caller: Caller, *, follow: bool = False) -> AsyncIterator[View]:
        with self._listed(task_id, caller.name) as view:
            view.show(await self._read(task_id, caller))
            answered = view.record.reply_to is not None and view.record.reply_to == self.queue
            with nullcontext() if answered and not follow else self._named(view.record.name):
                yield view

    @contextmanager
    def _listed(self, task_id: str, name: str | None) -> Iterator[View]:
        self.require_room(name)
        view = View()
        self._views[task_id].add(view)
        self._places.take(name)
        try:
            yield view
        finally:
            self._places.give(name)
            self._views[task_id].discard(view)
            if not self._views[task_id]:
                del self._views[task_id]

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Have the events of tasks of this name listened to."""
        self._names[name] += 1
        self._renamed.set()
        try:
            yield
        finally:
            self._names[name] -= 1
            if not self._names[name]:
                del self._names[name]
                self._renamed.set()

    async def _receive_replies(self) -> None:
        while True:
            try:
                with _kept_up("replies"):
                    async with self._broker.replies() as (self.queue, replies):
                        self._tried.set()
                        await self._pass_on(replies)
            finally:
                self._tried.set()
                self.queue = None
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _hear_events(self) -> None:
        while True:
            while not self._names:
                self._renamed.clear()
                await self._renamed.wait()
            with _kept_up("events"):
                names = frozenset(self._names)
                keys = [f"task.*.{name}" for name in names] if len(names) <= MOST_NAMES else ["task.#"]
                async with self._broker.listen(keys) as events:
                    ending = asyncio.create_task(self._stop_in_time(events, names))
                    try:
                        await self._pass_on(events)
                    finally:
                        ending.cancel()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _stop_in_time(self, events: Subscription, names: frozenset[str]) -> None:
        """Stop listening once tasks of another name are in view, or none has been for a while."""
        while len(names) > MOST_NAMES or self._names.keys() <= names:
            self._renamed.clear()
            try:
                async with asyncio.timeout(None if self._names else LINGER_SECONDS):
                    await self._renamed.wait()
            except TimeoutError:
                break
        await events.stop()

    async def _pass_on(self, words: Subscription) -> None:
        async for word in words:
            self.tell(word.message.correlation_id)

    async def _heed_hints(self) -> None:
        while True:
            await self._hint.wait()
            self._hint.clear()
            hinted, self._hinted = self._hinted, set()
            await self._look(hinted)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._look(self._views)

    async def _look(self, task_ids: Iterable[str]) -> None:
        """Read the tasks and show them; while the records are away, or a fault is met, nothing is shown."""
        every = list(task_ids)
        for ids in (every[start : start + BULK] for start in range(0, len(every), BULK)):
            with _kept_up("records"):
                for task_id, record in zip(ids, await self._records.read(ids), strict=True):
                    for view in self._views.get(task_id, ()):
                        view.show(record)


@contextmanager
def _until(gone: Gone | None, view: View) -> Iterator[None]:
    """End the view once whoever looks is gone: its place is another's."""
    if gone is None:
        yield
        return
    going = asyncio.create_task(gone())
    going.add_done_callback(lambda _: view.end())
    try:
        yield
    finally:
        going.cancel()


@contextmanager
def _kept_up(duty: str) -> Iterator[None]:
    """Let a duty outlive whatever ends one round of it; the next one may do better."""
    try:
        yield
    except UnavailableError:
        pass
    except Exception:
        log.exception("watching tasks met a fault; it goes on", duty=duty)
