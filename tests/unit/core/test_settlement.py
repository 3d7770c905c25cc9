"""The settle decision, case by case."""

from __future__ import annotations

import pytest

from warren import Fail, Retry
from warren.errors import ModelNotFoundError, StorageUnavailableError
from warren.record import MAX_TEXT_CHARACTERS, State, TaskError
from warren.settlement import (
    AssessedError,
    Backoff,
    DeadlineExceededError,
    Finish,
    Repeat,
    RetryPolicy,
    assess,
    decide,
)
from warren.tasks import Payload
from warren_consumer.handler import TaskFault

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
        (Fail("bad-input", "x"), 0, THREE, "bad-input", False),
        (Retry("later"), 0, RetryPolicy(3, ()), "retry", True),
        (Retry("later"), 2, THREE, "retry", False),
        (ExceptionGroup("g", [Fail("bad-input", "x")]), 0, THREE, "bad-input", False),
        (ExceptionGroup("g", [ExceptionGroup("g", [Retry("later")])]), 0, RetryPolicy(3, ()), "retry", True),
        (ExceptionGroup("g", [ConnectionError("x")]), 0, RetryPolicy(3, (OSError,)), "exception", True),
        (ExceptionGroup("g", [ValueError("x")]), 0, RetryPolicy(3, (ExceptionGroup,)), "exception", True),
        (ExceptionGroup("g", [Fail("a", "x"), Fail("b", "x")]), 0, RetryPolicy(3, ()), "exception", False),
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
        assert isinstance(decision, Repeat)
        assert decision.error.code == code
        return
    assert isinstance(decision, Finish)
    outcome = decision.outcome
    assert outcome.error is not None
    assert (outcome.state, outcome.error.code) == (State.FAILED, code)
    assert (outcome.payload, outcome.payload_type) == (b"input", "text/plain")


def test_pauses_double_up_to_a_limit_and_are_spread() -> None:
    usual = Backoff()
    assert [usual.pause_seconds(failures, 1.0) for failures in range(4)] == [2, 4, 8, 16]
    assert usual.pause_seconds(3, 0.0) == 8
    assert usual.pause_seconds(10_000, 1.0) == 600
    assert [Backoff(0.5, 1.5).pause_seconds(failures, 1.0) for failures in range(3)] == [0.5, 1, 1.5]


def test_only_a_fault_without_a_name_shows_a_traceback_and_of_a_long_one_its_end() -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("x" * 2 * MAX_TEXT_CHARACTERS)
        deep(levels - 1)

    with pytest.raises(ValueError, match="x") as caught:
        deep(3)
    said = assess(caught.value).error.traceback
    assert said is not None
    assert len(said) == MAX_TEXT_CHARACTERS
    assert assess(TaskFault("bad", "x")).error.traceback is None


def test_an_exception_without_words_is_named() -> None:
    assert assess(KeyError()).error.message == "KeyError"


def raised_within(retry: Retry, *, plainly: bool) -> Retry:
    """Return a retry as it is after it was raised because of another exception."""
    try:
        try:
            raise OSError("the line is dead")  # noqa: TRY301 - so that it is a cause
        except OSError as error:
            if plainly:
                raise retry  # noqa: B904 - what authors write
            raise retry from error
    except Retry as caught:
        return caught


@pytest.mark.parametrize("plainly", [True, False])
def test_a_retry_has_its_delay_and_its_cause_is_what_the_task_fails_with(*, plainly: bool) -> None:
    retry = raised_within(Retry("the line is busy", after=90), plainly=plainly)
    again = decide(retry, 0, RetryPolicy(2), PAYLOAD, 0.5)
    assert isinstance(again, Repeat)
    assert (again.after_seconds, again.error.code, again.error.message) == (90, "retry", "the line is busy")
    assert "the line is dead" in (again.error.traceback or "")
    end = decide(retry, 1, RetryPolicy(2), PAYLOAD, 0.5)
    assert isinstance(end, Finish)
    assert end.outcome.error is not None
    assert (end.outcome.error.code, end.outcome.error.message) == ("exception", "OSError: the line is dead")
    assert "raised_within" in (end.outcome.error.traceback or "")


def test_a_retry_without_a_delay_has_the_usual_pause_and_one_of_zero_has_none() -> None:
    assert isinstance(usual := decide(Retry(), 1, THREE, PAYLOAD, 1.0), Repeat)
    assert usual.after_seconds == 4
    assert isinstance(at_once := decide(Retry(after=0), 1, THREE, PAYLOAD, 1.0), Repeat)
    assert at_once.after_seconds == 0


@pytest.mark.parametrize("after", [-1, 31 * 24 * 3600, float("nan")])
def test_a_delay_out_of_range_is_refused(after: float) -> None:
    with pytest.raises(ValueError, match="30 days"):
        Retry(after=after)


@pytest.mark.parametrize("code", ["", "Two Words", "9", "x" * 64])
def test_a_code_that_is_no_word_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="must be a word"):
        Fail(code, "x")


def test_what_another_process_assessed_is_taken_as_it_is() -> None:
    far = assess(ValueError("far away"), (OSError,))
    assert assess(AssessedError(far)) is far
    assert not far.retryable


def test_a_text_that_no_store_can_hold_is_told_in_ascii() -> None:
    """Python gives such names to files whose own are not UTF-8."""
    error = assess(FileNotFoundError(2, "No such file", "caf\udce9.csv")).error
    assert "caf\\udce9.csv" in error.message
    assert TaskError.model_validate_json(error.model_dump_json()) == error


def test_an_exception_whose_text_cannot_be_had_is_named() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise KeyError("detail")

    assert assess(MuteError()).error.message == "MuteError: its text cannot be had (KeyError)"


@pytest.mark.parametrize("fault", [Retry(KeyError("gone")), Fail("bad-input", KeyError("gone"))])
def test_an_exception_given_for_a_message_is_told_as_its_text(fault: Exception) -> None:
    assert assess(fault).error.message == "'gone'"


class _Bare(Retry):
    """A task's own, which leaves out its parent's constructor."""

    def __init__(self) -> None:
        pass


class _BareEnd(Fail):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("fault", [_Bare(), _BareEnd()])
def test_what_cannot_say_what_it_means_is_an_exception_like_any_other(fault: Exception) -> None:
    found = assess(fault, (OSError,))
    assert (found.error.code, found.retryable) == ("exception", False)
    assert type(fault).__name__ in found.error.message


def test_a_retry_may_be_its_own_cause() -> None:
    retry = Retry("later", after=7)
    retry.__cause__ = retry
    found = assess(retry)
    assert (found.error.message, found.last_error.code, found.after_seconds) == ("later", "exception", 7)


@pytest.mark.parametrize("fault", [ValueError("x" * 1_000_000), Fail("large", "x" * 1_000_000)])
def test_of_a_long_message_the_beginning_is_kept(fault: Exception) -> None:
    assert len(assess(fault).error.message) == MAX_TEXT_CHARACTERS
