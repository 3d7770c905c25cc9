"""An event loop on a thread of its own: load, watch and proxies go on while the main thread does faults.

Processes must be started by the main thread, and starting them blocks; hence the two.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Runs coroutines until the process ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: list[Future[None]] = []
        threading.Thread(target=self._loop.run_forever, name="soak", daemon=True).start()

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
