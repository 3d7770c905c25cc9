"""The attempt at hand, as the author of a task sees it: what it is, how to tell its progress, and how to end it.

Forbidden here: I/O, what a consumer does with any of it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from warren.record import Progress
from warren.tasks import MAX_DELAY_SECONDS

FAULT_CODE: Final = r"[a-z][a-z0-9-]{0,62}"

_current: ContextVar[CurrentTask | None] = ContextVar("current_task", default=None)


class Retry(Exception):  # noqa: N818 - `raise Retry(...)` says what is wanted
    """Raised by a task: this attempt failed, and another one is to follow, whatever `retry_on` says.

    It counts as a failed attempt. Once `max_attempts` are used up, the task fails with the exception that this one was
    raised from (`raise Retry(...) from error`, or within its `except`), or with the code `retry` and this message.
    """

    def __init__(self, message: object = "the task asks for another attempt", *, after: float | None = None) -> None:
        """Ask for another attempt after so many seconds, 30 days at most; None: the task's usual backoff.

        A message that is no text, such as the exception at hand, is told as its text.

        Raises:
            ValueError: the delay is out of range.

        """
        if after is not None and not 0 <= after <= MAX_DELAY_SECONDS:
            msg = f"Retry(after=...) takes 0 to {MAX_DELAY_SECONDS} seconds (30 days), not {after}"
            raise ValueError(msg)
        super().__init__(message)
        self.message = str(message)
        self.after = after


class Fail(Exception):  # noqa: N818 - `raise Fail(...)` says what is wanted
    """Raised by a task: it ends as failed, now, since no other attempt can help: its input is wrong, say.

    The record says this code and message, and shows no traceback.
    """

    def __init__(self, code: str, message: object) -> None:
        """End the task with a stable word for programs (`not-an-image`) and a sentence for people.

        A message that is no text, such as the exception at hand, is told as its text.

        Raises:
            ValueError: the code is no such word.

        """
        if not re.fullmatch(FAULT_CODE, code):
            msg = f"Fail's code {code!r} must be a word of small letters, digits and -, for programs: 'not-an-image'"
            raise ValueError(msg)
        super().__init__(message)
        self.code = code
        self.message = str(message)


class TaskFault(Exception):  # noqa: N818 - a word of its own: an attempt's, not a program's
    """An attempt failed in a way that what runs it can name.

    `code` is a stable word for programs, `message` a sentence for the person who submitted the task. `retryable` says
    whether another attempt may succeed (a dependency was away) or never will (the input is wrong).
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True, eq=False)
class CurrentTask:
    """The attempt at hand. A function gets it by `current_task()`, or by a parameter that is annotated so."""

    id: str
    """The task's id, the same in each of its attempts: a key for writes that must happen once."""
    name: str
    attempt: int
    """The number of this attempt, from 1."""
    fence: int
    """Grows with every attempt: a place outside that keeps the highest can refuse what an older attempt writes."""
    deadline: float
    """When this attempt's time is up, by `time.monotonic()`."""
    stop: threading.Event
    """Set by the consumer when the work is to stop."""
    report: Callable[[Progress], None]
    """Where progress is told."""

    @property
    def canceled(self) -> bool:
        """Whether the work is to stop: the task was canceled, its time is up, its consumer ends or lost it.

        Nobody takes the result of this attempt any more: return or raise as soon as things are in order.
        """
        return self.stop.is_set()

    @property
    def seconds_left(self) -> float:
        """The seconds until this attempt's time is up, 0 if it is."""
        return max(0.0, self.deadline - time.monotonic())

    def report_progress(self, fraction: float, message: str | None = None) -> None:
        """Tell how far the task has come, as the function `report_progress` does; from any thread of its own, too."""
        self.report(Progress(fraction=min(1.0, max(0.0, fraction)), message=message))


def current_task() -> CurrentTask:
    """Return the attempt at hand; for a task's function, and all that it calls and awaits.

    Raises:
        LookupError: no consumer runs this code as a task. So it is, too, in a thread that a function starts itself.

    """
    found = _current.get()
    if found is None:
        msg = (
            "current_task() was called where no task runs: it works within a function that a consumer runs as a task; "
            "a thread of the function's own must be given what it needs of it"
        )
        raise LookupError(msg)
    return found


def within_task() -> bool:
    """Tell whether a task runs this code."""
    return _current.get() is not None


def enter(task: CurrentTask) -> None:
    """Make this the attempt at hand of the present context; for consumers."""
    _current.set(task)


@contextmanager
def entered(task: CurrentTask) -> Iterator[None]:
    """Make this the attempt at hand for a while."""
    token = _current.set(task)
    try:
        yield
    finally:
        _current.reset(token)


def report_progress(fraction: float, message: str | None = None) -> None:
    """Tell how far the task at hand has come, 0 to 1; it is in the record within about a second.

    Where no task runs it does nothing. What lies outside of 0 to 1 is taken for the nearer of the two: a sum of
    fractions that comes to a little more than 1 is no reason to fail.
    """
    found = _current.get()
    if found is not None:
        found.report_progress(fraction, message)
