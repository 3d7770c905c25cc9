"""The settle decision: what becomes of an attempt that failed.

Pure: no clock, no chance, no I/O. The caller brings a random number; the answer is a value. What an exception means is
assessed where it is known as the object that it is: in a child process, say.

Forbidden here: any import that does something.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from warren.attempt import Fail, Retry, TaskFault
from warren.errors import UnavailableError, WarrenError
from warren.record import MAX_TEXT_CHARACTERS, Outcome, State, TaskError
from warren.tasks import Payload

BACKOFF_SECONDS: Final = 2.0
BACKOFF_MAX_SECONDS: Final = 600.0


class DeadlineExceededError(Exception):
    """The attempt ran out of its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the attempt did not end within its time limit of {seconds:g} s")


class Assessment(BaseModel):
    """What an exception means for its task, whatever attempts are left."""

    model_config = ConfigDict(frozen=True)

    error: TaskError
    """What the record says while another attempt follows."""
    last_error: TaskError
    """What it says once none does."""
    retryable: bool
    """Whether another attempt may help."""
    after_seconds: float | None = None
    """When that is to be; None: after the usual pause."""


class AssessedError(Exception):
    """An attempt failed in another process, which has assessed why."""

    def __init__(self, assessment: Assessment) -> None:
        super().__init__(assessment.error.message)
        self.assessment = assessment


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after failures."""

    first_seconds: float = BACKOFF_SECONDS
    longest_seconds: float = BACKOFF_MAX_SECONDS

    def pause_seconds(self, failures: int, chance: float) -> float:
        """Return the pause after so many earlier failures: doubling, up to a limit, half of it left to chance."""
        whole = min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures, 32))
        return float(whole * (0.5 + chance / 2))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When another attempt may follow."""

    max_attempts: int
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """Of the exceptions that have no name of their own: those after which another attempt may help."""
    retry_timeouts: bool = True
    """Whether another attempt would have time of its own."""
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Finish:
    """The task ends."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Repeat:
    """Another attempt follows."""

    error: TaskError
    after_seconds: float


def succeeded(result: Payload, reference: str | None = None) -> Outcome:
    """Return how a task ends that worked; a result that lies in object storage is given by its reference."""
    body = None if reference else result.body
    return Outcome(State.SUCCEEDED, result=body, result_type=result.content_type, result_ref=reference)


def decide(fault: Exception, failures: int, policy: RetryPolicy, payload: Payload, chance: float) -> Finish | Repeat:
    """Decide what follows an attempt that raised `fault` after `failures` earlier ones.

    `chance` is a random number from 0 to 1 that spreads the pauses. A task that ends keeps its payload for a replay.
    """
    found = assess(fault, policy.retry_on, retry_timeouts=policy.retry_timeouts)
    if not found.retryable or failures + 1 >= policy.max_attempts:
        return Finish(Outcome.failed(found.last_error, payload))
    if found.after_seconds is not None:
        return Repeat(found.error, found.after_seconds)
    return Repeat(found.error, policy.backoff.pause_seconds(failures, chance))


def assess(
    fault: BaseException, retry_on: tuple[type[Exception], ...] = (Exception,), *, retry_timeouts: bool = True
) -> Assessment:
    """Return what the exception means; only one without a name of its own shows its traceback."""
    only = _only(fault)
    # A class of the task's own may lack what its parent has, and a retry may be its own cause.
    with suppress(Exception):
        if (meant := _meant(only, retry_timeouts=retry_timeouts)) is not None:
            return meant
    error = _raised(fault)
    retryable = isinstance(fault, retry_on) or isinstance(only, retry_on)
    return Assessment(error=error, last_error=error, retryable=retryable)


def ordinary(fault: BaseException) -> Exception:
    """Return what a function raised as a fault that ends no process, thread or loop: `sys.exit()`, too, is its fault.

    `StopIteration` means something else to whoever awaits the function: as in a generator (PEP 479), it is an error.
    """
    if isinstance(fault, Exception) and not isinstance(fault, StopIteration):
        return fault
    return RuntimeError(f"the function raised {shown(fault)}").with_traceback(fault.__traceback__)


def shown(fault: BaseException) -> str:
    """Return an exception as Python shows it, whatever a task's own class makes of that."""
    try:
        return repr(fault)
    except Exception as error:  # noqa: BLE001 - a task's own class: it may fail in any way
        return f"{type(fault).__name__}: it cannot be shown ({type(error).__name__})"


def _meant(fault: BaseException, *, retry_timeouts: bool) -> Assessment | None:
    """Return what an exception means that has a name of its own; None of any other."""
    match fault:
        case AssessedError():
            return fault.assessment
        case Retry():
            return _asked_for(fault)
        case Fail() | TaskFault():
            return _named(fault.code, fault.message, retryable=isinstance(fault, TaskFault) and fault.retryable)
        case WarrenError():
            return _named(fault.code, fault.detail, retryable=isinstance(fault, UnavailableError))
        case DeadlineExceededError():
            return _named("timeout", str(fault), retryable=retry_timeouts)
    return None


def _only(fault: BaseException) -> BaseException:
    """Return the one exception that a group holds, as a `TaskGroup` makes one of it; else the fault itself."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    return fault


def _asked_for(fault: Retry) -> Assessment:
    cause = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    trace = _traceback(cause) if cause else None
    error = TaskError(code="retry", message=fault.message[:MAX_TEXT_CHARACTERS], traceback=trace)
    last = assess(cause).last_error if cause else error
    return Assessment(error=error, last_error=last, retryable=True, after_seconds=fault.after)


def _named(code: str, message: str, *, retryable: bool) -> Assessment:
    error = TaskError(code=code, message=message[:MAX_TEXT_CHARACTERS])
    return Assessment(error=error, last_error=error, retryable=retryable)


def _raised(fault: BaseException) -> TaskError:
    said = _said(fault)
    message = f"{type(fault).__name__}: {said}" if said else type(fault).__name__
    return TaskError(code="exception", message=message[:MAX_TEXT_CHARACTERS], traceback=_traceback(fault))


def _said(fault: BaseException) -> str:
    try:
        return str(fault)
    except Exception as error:  # noqa: BLE001 - a task's own class: its text may fail in any way
        return f"its text cannot be had ({type(error).__name__})"


def _traceback(fault: BaseException) -> str:
    return "".join(traceback.format_exception(fault))[-MAX_TEXT_CHARACTERS:]
