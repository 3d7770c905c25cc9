"""The settle decision: what becomes of an attempt that failed.

Pure: no clock, no chance, no I/O. The caller brings a random number; the answer is a value.

Forbidden here: any import that does something.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Final

from warren.errors import UnavailableError, WarrenError
from warren.record import Outcome, State, TaskError
from warren.tasks import Payload
from warren_consumer.handler import TaskFault

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 600.0
MAX_TRACEBACK_CHARACTERS: Final = 16_384
"""A record is no log: of a longer traceback the end is kept, which names the fault."""


class DeadlineExceededError(Exception):
    """The attempt ran out of its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the attempt did not end within its time limit of {seconds:g} s")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When another attempt may follow."""

    max_attempts: int
    retry_on: tuple[type[Exception], ...] = (Exception,)
    """Of the exceptions that have no name of their own: those after which another attempt may help."""
    retry_timeouts: bool = True
    """Whether another attempt would have time of its own."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The task ends."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt follows."""

    error: TaskError
    after_seconds: float


def succeeded(result: Payload, reference: str | None = None) -> Outcome:
    """Return how a task ends that worked; a result that lies in object storage is given by its reference."""
    body = None if reference else result.body
    return Outcome(State.SUCCEEDED, result=body, result_type=result.content_type, result_ref=reference)


def decide(fault: Exception, failures: int, policy: RetryPolicy, payload: Payload, chance: float) -> Finish | Retry:
    """Decide what follows an attempt that raised `fault` after `failures` earlier ones.

    `chance` is a random number from 0 to 1 that spreads the pauses. A task that ends keeps its payload for a replay.
    """
    error = describe(fault)
    if _may_help(fault, policy) and failures + 1 < policy.max_attempts:
        return Retry(error, pause_seconds(failures, chance))
    outcome = Outcome(State.FAILED, error=error, payload=payload.body, payload_type=payload.content_type)
    return Finish(outcome)


def pause_seconds(failures: int, chance: float) -> float:
    """Return how long to wait after so many earlier failures: doubling, up to a limit, half of it left to chance."""
    whole = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 32))
    return float(whole * (0.5 + chance / 2))


def describe(fault: Exception) -> TaskError:
    """Return what the record says about the fault; only a fault without a name of its own shows its traceback."""
    match fault:
        case TaskFault():
            return TaskError(code=fault.code, message=fault.message)
        case WarrenError():
            return TaskError(code=fault.code, message=fault.detail)
        case DeadlineExceededError():
            return TaskError(code="timeout", message=str(fault))
    said = "".join(traceback.format_exception(fault))
    message = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
    return TaskError(code="exception", message=message, traceback=said[-MAX_TRACEBACK_CHARACTERS:])


def _may_help(fault: Exception, policy: RetryPolicy) -> bool:
    match fault:
        case TaskFault():
            return fault.retryable
        case WarrenError():
            return isinstance(fault, UnavailableError)
        case DeadlineExceededError():
            return policy.retry_timeouts
    return isinstance(fault, policy.retry_on)
