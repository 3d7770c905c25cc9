"""People's own tests: delayed calls that run here and now, and behave as tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from datetime import date
from typing import Annotated, Any, assert_type

import pytest
from pydantic import BaseModel

from tests.unit.functions.forking import in_a_forked_process
from warren import Fail, Retry, current_task, report_progress, task
from warren.client.problem import InvalidFieldsError
from warren.errors import (
    InvalidRequestError,
    InvalidResultError,
    NoWebhookError,
    SettingsError,
    TaskCrashedError,
    TaskFailedError,
    WaitTimeoutError,
)
from warren.record import State
from warren.tasks import Payload
from warren.testing import eager


class Parcel(BaseModel):
    """What a function takes and gives."""

    sent: date


@task()
def forward(parcel: Parcel) -> Parcel:
    report_progress(0.5, threading.current_thread().name)
    return parcel


@task()
async def add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


@task()
async def attempt_at_hand() -> int:
    await asyncio.sleep(0)
    return current_task().attempt


@task()
def outer(n: int) -> int:
    inner = add.delay(n, 1).get()
    return inner * current_task().attempt


@task(max_attempts=3)
def flaky(good_at: int) -> int:
    if current_task().attempt < good_at:
        raise OSError("not yet")
    return current_task().attempt


@task(max_attempts=3, retry_on=(OSError,))
def refuses(how: str) -> None:
    if how == "fail":
        raise Fail("no-such-thing", "there is none")
    if how == "retry":
        raise Retry("ask again", after=3600)
    if how == "exit":
        raise SystemExit(3)
    if how == "cancel":
        raise asyncio.CancelledError
    raise ValueError(how)


@task()
async def waits() -> None:
    await asyncio.sleep(30)


@task()
def strange() -> object:
    return object()


@task()
def infinite() -> float:
    return float("inf")


@task()
def half(number: float) -> float:
    return number / 2


@task()
def picture() -> Payload:
    return Payload(b"\x89PNG", "image/png")


@task()
def document(text: str) -> Payload | None:
    return Payload(text.encode()) if text else None


@task()
def sent_or_drawn(parcel: Parcel | None) -> Payload | Parcel:
    return parcel or Payload(b'{"drawn": true}')


@task()
def perhaps_sent(parcel: Parcel | None) -> Annotated[Payload | Parcel | None, "as the carrier says"]:
    return parcel


@task()
def of_no_type() -> Payload:
    return Payload(b"text", "a text")


@task()
def named_as_a_methods(self: int, args: int, kwargs: int) -> list[int]:
    return [self, args, kwargs]


def test_a_call_runs_here_and_comes_back_through_json() -> None:
    sent = Parcel(sent=date(2026, 11, 21))
    with eager():
        job = forward.delay(sent)
    assert job.status is State.SUCCEEDED
    assert job.get() == sent
    assert job.get() is not sent
    progress = job.record().progress
    assert progress is not None
    assert (progress.fraction, progress.message) == (0.5, threading.current_thread().name)


async def test_parameters_may_have_any_name() -> None:
    with eager():
        assert named_as_a_methods.delay(1, 2, 3).get() == [1, 2, 3]
        assert named_as_a_methods.delay(self=1, args=2, kwargs=3).get() == [1, 2, 3]
        assert await (await named_as_a_methods.adelay(self=1, args=2, kwargs=3)).get() == [1, 2, 3]


def test_many_calls_and_calls_within_calls() -> None:
    with eager():
        assert [job.get() for job in add.map([1, 2], [3, 4])] == [4, 6]
        assert outer.delay(1).get() == 2


def test_a_forked_process_waits_on_a_thread_of_its_own() -> None:
    with eager():
        add.delay(1, 2).get(timeout=5)
        assert in_a_forked_process(lambda: add.delay(3, 4).get(timeout=5)) == 0


async def test_within_a_loop() -> None:
    with eager():
        assert await (await add.adelay(1, 2)).get() == 3
        assert [await job.get() for job in await add.amap([1], [2])] == [3]
        assert outer.delay(1).get() == 2
        assert attempt_at_hand.delay().get() == 1


def test_wrong_arguments_are_refused_as_always() -> None:
    with eager(), pytest.raises(InvalidFieldsError, match=r"args\.a"):
        add.delay("one", 2)  # type: ignore[arg-type]


def test_attempts_follow_failures_up_to_the_last() -> None:
    with eager():
        assert flaky.delay(3).get() == 3
        assert flaky.delay(3).record().failures == 2
        with pytest.raises(TaskCrashedError, match="not yet"):
            flaky.delay(4).get()
        with pytest.raises(TaskCrashedError, match="not yet"):
            flaky.with_options(max_attempts=1).delay(2).get()


@pytest.mark.parametrize(
    ("how", "code", "attempts"), [("fail", "no-such-thing", 1), ("retry", "retry", 3), ("value", "exception", 1)]
)
def test_a_task_ends_with_its_own_words(how: str, code: str, attempts: int) -> None:
    with eager():
        record = refuses.delay(how).record()
        with pytest.raises(TaskFailedError):
            refuses.delay(how).get()
    assert record.error is not None
    assert (record.status, record.error.code, record.attempt) == (State.FAILED, code, attempts)


@task
def hands_on() -> Any:
    return Later()


class Later:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[None, None, int]:
        yield
        return 2


async def test_whatever_can_be_awaited_is() -> None:
    with eager():
        assert hands_on.delay().get() == 2
        assert await (await hands_on.adelay()).get() == 2


@task
def waits_in_vain() -> None:
    raise WaitTimeoutError("another task has not ended")


def test_who_waited_in_vain_is_over_itself() -> None:
    with eager(), pytest.raises(TaskFailedError, match="another task has not ended"):
        waits_in_vain.delay().get()


def test_a_function_that_would_end_the_process_has_failed() -> None:
    with eager(), pytest.raises(TaskCrashedError, match="SystemExit"):
        refuses.delay("exit").get()


def test_a_function_that_cancels_itself_has_failed() -> None:
    with eager(), pytest.raises(TaskCrashedError, match="CancelledError"):
        refuses.delay("cancel").get()


async def test_within_a_loop_only_who_cancels_the_caller_cancels_a_call() -> None:
    with eager():
        with pytest.raises(TaskCrashedError, match="CancelledError"):
            await (await refuses.adelay("cancel")).get()
        calling = asyncio.create_task(waits.adelay())
        await asyncio.sleep(0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling


def test_results_that_are_not_json() -> None:
    with eager():
        assert picture.delay().get() == b"\x89PNG"
        assert document.returned.schema() == {}
        assert assert_type(document.delay('{"a": 1}').get(), Any) == {"a": 1}
        assert document.delay("").get() is None
        with pytest.raises(InvalidResultError):
            strange.delay().get()
        with pytest.raises(InvalidResultError):
            infinite.delay().get()
        with pytest.raises(InvalidResultError, match="content type"):
            of_no_type.delay().get()
        with pytest.raises(InvalidRequestError, match="NaN or infinity"):
            half.delay(float("inf"))


def test_a_result_that_is_no_payload_is_what_the_annotation_says() -> None:
    parcel = Parcel(sent=date(2026, 11, 21))
    assert sent_or_drawn.returned.schema() == Parcel.model_json_schema()
    assert {"type": "null"} in perhaps_sent.returned.schema()["anyOf"]
    with eager():
        assert assert_type(sent_or_drawn.delay(parcel).get(), Any) == parcel
        assert perhaps_sent.delay(parcel).get() == parcel
        assert perhaps_sent.delay(None).get() is None
        assert sent_or_drawn.delay(None).get() == {"drawn": True}


async def test_a_result_that_is_no_payload_is_what_the_annotation_says_within_a_loop() -> None:
    parcel = Parcel(sent=date(2026, 11, 21))
    with eager():
        assert assert_type(await (await sent_or_drawn.adelay(parcel)).get(), Any) == parcel
        assert assert_type(await (await document.adelay('{"a": 1}')).get(), Any) == {"a": 1}


def test_no_task_runs_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WARREN_URL", raising=False)
    with eager():
        add.delay(1, 2)
    with pytest.raises(LookupError):
        current_task()
    with pytest.raises(SettingsError):
        add.delay(1, 2)


def test_it_can_be_canceled_and_asked_as_any_job() -> None:
    with eager():
        job = add.delay(1, 2)
        assert job.cancel().status is State.SUCCEEDED


def test_it_tells_nobody() -> None:
    with eager():
        job = add.with_options(callback_url="https://example.com/hook").delay(1, 2)
        for told in (job.deliveries, job.redeliver):
            with pytest.raises(NoWebhookError, match="eager"):
                told()
