"""An event loop on a thread of its own, for programs that have none, and a gateway that is used across loops.

Forbidden here: what is called.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from warren.client.closable import CLOSED, FORKED
from warren.errors import ClientClosedError

if TYPE_CHECKING:
    from warren.client.gateway import Gateway

T = TypeVar("T")

CLOSING_SECONDS: Final = 5.0
"""How long calls that are under way may take to end once they were canceled, or there is nobody left to answer them."""


class LoopThread:
    """An event loop on a daemon thread, of use in the process that made it.

    It ends when it is closed, or when nobody holds it any more: whoever made it, or what its work returned.
    """

    def __init__(self, name: str = "warren-client") -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(self._loop, weakref.ref(self)), name=name, daemon=True)
        self._thread.start()
        self._lock = threading.Lock()
        self._closed = False
        self._under_way: set[Future[Any]] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work on the loop and return its result; interrupted (Ctrl-C), the work is canceled and has ended.

        Raises:
            ClientClosedError: the loop has ended, ends before the work does, or stayed behind at a fork.

        """
        future = self.begin(work)
        try:
            return future.result()
        except CancelledError as error:
            if not self._closed:
                raise
            raise ClientClosedError(CLOSED) from error
        except BaseException:
            if future.cancel():
                self._see_off(work)
            raise

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin the work on the loop and return what becomes of it.

        Raises:
            ClientClosedError: the loop has ended, or stayed behind at a fork.

        """
        if self._elsewhere:  # before the lock, which may have been held at the fork
            work.close()
            raise ClientClosedError(FORKED)
        with self._lock:
            if not self._closed:
                return self._begin(work)
        work.close()
        raise ClientClosedError(CLOSED)

    def when_dropped(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have this done last, on the loop, should nobody close it and nobody hold it any more."""
        weakref.finalize(self, _abandon, self._loop, self._process, last).atexit = False

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Do the last work, by which all other is to end, and end the loop and its thread; once.

        In a forked process nothing is done: loop and connections are the parent's.
        """
        if self._elsewhere:
            last.close()
            return
        with self._lock:
            ending = None if self._closed else self._begin(last)
            self._closed = True
        if ending is None:
            last.close()
            self._thread.join()
            return
        try:
            ending.result()
            wait(self._under_way.copy(), CLOSING_SECONDS)
            wait([self._begin(self._loop.shutdown_asyncgens())], CLOSING_SECONDS)
        finally:
            self._end()

    @property
    def _elsewhere(self) -> bool:
        return os.getpid() != self._process

    def _see_off(self, work: Coroutine[Any, Any, Any]) -> None:
        """Wait until work that was canceled has ended, so that nobody meets it half done."""

        async def ended() -> None:
            if tasks := [task for task in asyncio.all_tasks() if task.get_coro() is work]:
                await asyncio.wait(tasks)

        with suppress(ClientClosedError):
            wait([self.begin(ended())], CLOSING_SECONDS)

    def _begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for future in self._under_way.copy():
            future.cancel()
        self._loop.close()


def _serve(loop: asyncio.AbstractEventLoop, owner: weakref.ref[LoopThread]) -> None:
    loop.run_forever()
    if owner() is None:  # who would close it otherwise
        loop.close()


def _abandon(loop: asyncio.AbstractEventLoop, process: int, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def end() -> None:
        try:
            await last()
        finally:
            loop.stop()

    if not loop.is_closed() and os.getpid() == process:
        asyncio.run_coroutine_threadsafe(end(), loop)


class Across:
    """A gateway whose loop runs on another thread, for programs that run a loop of their own."""

    def __init__(self, thread: LoopThread, gateway: Gateway) -> None:
        self._thread = thread
        self._gateway = gateway

    async def open(self) -> None:
        """Do nothing: it is open already."""

    async def close(self) -> None:
        """Do nothing: whoever opened it closes it."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the gateway's call, as one that may be awaited on any loop."""
        call: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._gateway, name)
        return lambda *args, **kwargs: asyncio.wrap_future(self._thread.begin(call(*args, **kwargs)))
