"""An event loop on a thread of its own: load, watch and proxies go on while the main thread does faults.

Processes must be started by the main thread, and starting them blocks; hence the two.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines. Use it as a context manager: at its end they are cancelled, and have ended."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: list[Future[None]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="soak", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End all that runs."""
        self.result(_all_ended())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work beside everything else."""
        self._running.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    def result(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], None]) -> None:
        """Call the function on the loop and return when it has returned."""
        self.result(_called(function))

    def check(self) -> None:
        """Raise what any of the work has raised."""
        for work in self._running:
            if work.done():
                work.result()


async def _called(function: Callable[[], None]) -> None:
    function()


async def _all_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
