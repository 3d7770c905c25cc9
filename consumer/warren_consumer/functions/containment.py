"""What functions start in the consumer's own event loop ends nothing but itself.

asyncio lets `SystemExit` and `KeyboardInterrupt` of any task through to whoever runs the loop: `sys.exit()` in a task
that a function started (`gather`, `wait_for`, a `TaskGroup`) would end the whole consumer. Signals come another way.

Forbidden here: the functions themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Final, TypeVar

from warren.attempt import within_task
from warren.settlement import ordinary

T = TypeVar("T")

EXITS: Final = (KeyboardInterrupt, SystemExit)


class Contained(Coroutine[Any, Any, T]):
    """A coroutine whose exits are ordinary faults.

    No coroutine around it: one that is cancelled before it starts would leave this one behind, never awaited.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is
        """Return what tools and other libraries ask of a coroutine: its state, its name, its frame."""
        return getattr(self._work, name)

    def send(self, value: Any) -> Any:  # noqa: ANN401 - as the protocol is
        """Go on to the next suspension."""
        try:
            return self._work.send(value)
        except EXITS as error:
            raise ordinary(error) from None

    def throw(self, *details: Any) -> Any:  # noqa: ANN401 - as the protocol is
        """Go on by an exception."""
        try:
            return self._work.throw(*details)
        except EXITS as error:
            raise ordinary(error) from None

    def close(self) -> None:
        """End the coroutine where it is suspended."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Wait for the coroutine."""
        return self._work.__await__()


def contain(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T] | Generator[Any, None, T],
    **options: Any,  # noqa: ANN401 - those of `asyncio.Task`
) -> asyncio.Task[T]:
    """Make a task, as an event loop's task factory; one that a function starts is contained."""
    contained = Contained(work) if within_task() and isinstance(work, Coroutine) else work
    return asyncio.Task(contained, loop=loop, **options)
