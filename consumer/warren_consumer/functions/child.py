"""A child that calls functions, one after the other: `python -m warren_consumer.functions.child PARENT`.

The function has the main thread. Orders are read in a thread beside it, so that an order to stop reaches the call at
hand; progress is told in another, at most ten times a second, so that a function may report as often as it likes.

Forbidden here: object storage, the broker, the records.
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import queue
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, cast

from warren.arguments import result
from warren.attempt import CurrentTask, enter
from warren.function import TaskFunction, find_functions
from warren.settlement import assess, ordinary
from warren.tasks import Payload
from warren_consumer import diagnostics
from warren_consumer.children.inside import begin
from warren_consumer.functions.job import STOP, Advanced, Call, Raised, Returned, line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import BinaryIO

    from warren.record import Progress

PROGRESS_SECONDS: Final = 0.1


class Order:
    """A call that was ordered, and whether it was told to stop meanwhile."""

    def __init__(self, call: Call, payload: Payload) -> None:
        self.call = call
        self.payload = payload
        self.stop = threading.Event()


class Orders:
    """The orders of the consumer, read as they come."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._waiting: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True, name="warren-orders").start()

    def next(self) -> Order | None:
        """Wait for the next call and return it; None when there will be none."""
        return self._waiting.get()

    def _read(self) -> None:
        order = None
        while text := self._source.readline():
            if text != STOP:
                call = Call.model_validate_json(text)
                order = Order(call, Payload(self._source.read(call.size), call.content_type))
                self._waiting.put(order)
            elif order is not None:
                order.stop.set()
        self._waiting.put(None)


class Events:
    """What is told to the consumer."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._progress: tuple[object, Progress] | None = None
        self._call: object = None
        """The call at hand, told from those before it by this object."""
        self._changed = threading.Event()
        threading.Thread(target=self._tell_progress, daemon=True, name="warren-progress").start()

    def begin(self) -> Callable[[Progress], None]:
        """Return what tells how far a call has come, soon; what is out of date by then is not told.

        What a thread that the function left behind tells after the call's end is not of the next call.
        """
        call = self._call = object()

        def report(progress: Progress) -> None:
            if self._call is call:
                self._progress = (call, progress)
                self._changed.set()

        return report

    def end(self, event: Returned | Raised, data: bytes = b"") -> None:
        """Tell how the call ended: the last of its events."""
        with self._lock:
            self._write(self._newest() + line(event) + data)
            self._call = None

    def _tell_progress(self) -> None:
        while self._changed.wait():
            self._changed.clear()
            with self._lock:
                self._write(self._newest())
            time.sleep(PROGRESS_SECONDS)

    def _newest(self) -> bytes:
        told, self._progress = self._progress, None
        return b"" if told is None or told[0] is not self._call else line(Advanced(progress=told[1]))

    def _write(self, data: bytes) -> None:
        self._target.write(data)
        self._target.flush()


def main() -> None:
    """Call functions until there are no more orders."""
    source, target = begin()
    faulthandler.enable()
    functions = find_functions([diagnostics])
    orders, events = Orders(source), Events(target)
    while order := orders.next():
        # A function may leave values in its context; the next one gets a context of its own.
        copy_context().run(_call, functions[order.call.name], order, events)


def _call(function: TaskFunction[..., Any], order: Order, events: Events) -> None:
    try:
        call = order.call
        task = CurrentTask(call.task, call.name, call.attempt, call.fence, call.deadline, order.stop, events.begin())
        given = function.arguments.read(order.payload, task)
        enter(task)
        returned = result(_finished(function(**given)))
    except BaseException as error:  # noqa: BLE001 - see `ordinary`
        events.end(Raised(assessment=assess(ordinary(error), function.options.retry_on)))
    else:
        events.end(Returned(content_type=returned.content_type, size=len(returned.body)), returned.body)


def _finished(value: object) -> object:
    """Return a value, or what comes of it where a coroutine function lies behind a plain decorator."""

    async def wait() -> object:
        return await cast("Awaitable[object]", value)

    return asyncio.run(wait()) if inspect.isawaitable(value) else value


if __name__ == "__main__":
    main()
