"""The settle decision, case by case."""

from __future__ import annotations

import pytest

from warren.errors import ModelNotFoundError, StorageUnavailableError
from warren.record import State
from warren.tasks import Payload
from warren_consumer.handler import TaskFault
from warren_consumer.settlement import (
    LONGEST_PAUSE_SECONDS,
    MAX_TRACEBACK_CHARACTERS,
    DeadlineExceededError,
    Finish,
    Retry,
    RetryPolicy,
    decide,
    describe,
    pause_seconds,
)

PAYLOAD = Payload(b"input", "text/plain")
THREE = RetryPolicy(3)


@pytest.mark.parametrize(
    ("fault", "failures", "policy", "code", "again"),
    [
        (ValueError("x"), 0, THREE, "exception", True),
        (ValueError("x"), 1, THREE, "exception", True),
        (ValueError("x"), 2, THREE, "exception", False),
        (ValueError("x"), 0, RetryPolicy(1), "exception", False),
        (ValueError("x"), 0, RetryPolicy(3, (OSError,)), "exception", False),
        (ConnectionError("x"), 0, RetryPolicy(3, (OSError,)), "exception", True),
        (TaskFault("bad", "x"), 0, THREE, "bad", False),
        (TaskFault("away", "x", retryable=True), 0, THREE, "away", True),
        (TaskFault("away", "x", retryable=True), 2, THREE, "away", False),
        (StorageUnavailableError("x"), 0, THREE, "storage-unavailable", True),
        (ModelNotFoundError("x"), 0, THREE, "model-not-found", False),
        (DeadlineExceededError(5), 0, THREE, "timeout", True),
        (DeadlineExceededError(5), 2, THREE, "timeout", False),
        (DeadlineExceededError(5), 0, RetryPolicy(3, retry_timeouts=False), "timeout", False),
    ],
)
def test_what_follows_a_failed_attempt(
    fault: Exception, failures: int, policy: RetryPolicy, code: str, *, again: bool
) -> None:
    decision = decide(fault, failures, policy, PAYLOAD, 0.5)
    if again:
        assert isinstance(decision, Retry)
        assert decision.error.code == code
        return
    assert isinstance(decision, Finish)
    outcome = decision.outcome
    assert outcome.error is not None
    assert (outcome.state, outcome.error.code) == (State.FAILED, code)
    assert (outcome.payload, outcome.payload_type) == (b"input", "text/plain")


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    assert [pause_seconds(failures, 1.0) for failures in range(4)] == [2, 4, 8, 16]
    assert pause_seconds(3, 0.0) == 8
    assert pause_seconds(10_000, 1.0) == LONGEST_PAUSE_SECONDS


def test_only_a_fault_without_a_name_shows_a_traceback_and_of_a_long_one_its_end() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("x" * 2 * MAX_TRACEBACK_CHARACTERS)
        deep(levels - 1)

    with pytest.raises(ValueError, match="x") as caught:
        deep(3)
    said = describe(caught.value).traceback
    assert said is not None
    assert len(said) == MAX_TRACEBACK_CHARACTERS
    assert describe(TaskFault("bad", "x")).traceback is None


def test_an_exception_without_words_is_named() -> None:
    assert describe(KeyError()).message == "KeyError"
