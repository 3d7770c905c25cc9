"""Functions that are delayed: what is sent, what is refused here already, where it goes, what comes back."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import assert_type

import pytest
from pydantic import BaseModel

import warren
from tests.unit.functions.api import Api
from tests.unit.functions.forking import in_a_forked_process
from warren import AsyncClient, Client, task
from warren.client import Job, default
from warren.client.problem import InvalidFieldsError
from warren.errors import InvalidRequestError, InvalidResultError, SettingsError


class Stay(BaseModel):
    """A parameter, and a result, with members of its own."""

    day: date
    nights: int = 1


@task(pool="gpu")
def book(stay: Stay, guests: int = 2) -> Stay:
    """Book a stay."""
    return stay


@task()
def prolong(day: date, nights: int = 1) -> Stay:
    return Stay(day=day, nights=nights)


@task()
async def add(a: int, b: int) -> dict[str, int]:
    return {"a": a, "b": b}


@pytest.fixture
def at_home(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give the API, named by the environment."""
    monkeypatch.setenv("WARREN_URL", "http://api")
    return api


def test_a_delayed_call_goes_to_its_pool_with_its_arguments_as_json(at_home: Api) -> None:
    book.delay(Stay(day=date(2026, 11, 21)), guests=3)
    assert at_home.submitted["0"] == {
        "task": "book",
        "args": {"stay": {"day": "2026-11-21", "nights": 1}, "guests": 3},
        "options": {"pool": "gpu"},
    }


def test_its_result_comes_back_as_what_the_annotation_says(at_home: Api) -> None:
    job = prolong.delay(date(2026, 11, 21), nights=3)
    assert_type(job, Job[Stay])
    assert job.get(timeout=5) == Stay(day=date(2026, 11, 21), nights=3)
    assert job.status == "succeeded"


def test_a_result_of_another_form_is_no_silent_success(at_home: Api) -> None:
    at_home.results["0"] = {"nights": "many"}
    with pytest.raises(InvalidResultError, match="day: Field required; nights: Input should be a valid integer"):
        prolong.delay(date(2026, 11, 21)).get(timeout=5)


def test_a_wrong_call_is_refused_here_and_nothing_is_sent(at_home: Api) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'day'"):
        prolong.delay()  # type: ignore[call-arg]
    with pytest.raises(InvalidFieldsError, match=r"args\.nights: Input should be a valid integer") as caught:
        prolong.delay(date(2026, 11, 21), nights="many")  # type: ignore[arg-type]
    assert [field.field for field in caught.value.fields] == ["args.nights"]
    with pytest.raises(InvalidRequestError, match="JSON cannot hold"):
        prolong.delay(object())  # type: ignore[arg-type]
    assert not at_home.submitted


def test_many_calls_are_one_batch(at_home: Api) -> None:
    jobs = add.map(range(3), (10, 20, 30))
    assert [request["args"] for request in at_home.submitted.values()] == [
        {"a": 0, "b": 10},
        {"a": 1, "b": 20},
        {"a": 2, "b": 30},
    ]
    assert at_home.keys == [], "a batch is one call"
    assert [job.get(timeout=5)["b"] for job in jobs] == [10, 20, 30]


def test_options_go_with_the_call_and_leave_the_function_as_it_was(at_home: Api) -> None:
    later = book.with_options(priority="high", delay_seconds=60, idempotency_key="k")
    later.with_options(pool="cpu").delay(Stay(day=date(2026, 11, 21)))
    assert at_home.submitted["0"]["options"] == {"pool": "cpu", "priority": "high", "delay_seconds": 60.0}
    assert at_home.keys == ["k"]
    book.delay(Stay(day=date(2026, 11, 21)))
    assert at_home.submitted["1"]["options"] == {"pool": "gpu"}
    with pytest.raises(InvalidRequestError, match=r"options\.retries: there is no such field"):
        book.with_options(retries=3)
    without = add.with_options(idempotency_key="")
    for call in (lambda: without.delay(1, 2), lambda: without.map([1], [2])):
        with pytest.raises(InvalidRequestError, match="an idempotency key has 1 to"):
            call()


async def test_programs_of_asyncio_wait_without_blocking(at_home: Api) -> None:
    job = await add.adelay(1, 2)
    result = await job.get(timeout=5)
    assert_type(result, dict[str, int])
    assert result == {"a": 1, "b": 2}
    jobs = await add.amap([1], [2])
    assert await asyncio.gather(*(job.get(timeout=5) for job in jobs)) == [{"a": 1, "b": 2}]


def test_each_loop_of_a_process_may_use_the_one_client(at_home: Api) -> None:
    async def call() -> dict[str, int]:
        return await (await add.adelay(1, 2)).get(timeout=5)

    assert [asyncio.run(call()) for _ in range(2)] == [{"a": 1, "b": 2}] * 2


async def test_a_client_may_be_named(api: Api) -> None:
    with Client("http://api") as client:
        assert add.with_options(client=client).delay(1, 2).get(timeout=5) == {"a": 1, "b": 2}
    async with AsyncClient("http://api") as client:
        job = await add.with_options(client=client).adelay(3, 4)
        assert await job.get(timeout=5) == {"a": 3, "b": 4}
        with pytest.raises(TypeError, match="await adelay"):
            add.with_options(client=client).delay(1, 2)


def test_a_process_may_say_where_warren_is(api: Api) -> None:
    with pytest.raises(SettingsError, match="WARREN_URL"):
        add.delay(1, 2)
    first = warren.configure("http://api")
    add.delay(1, 2)
    assert len(api.submitted) == 1
    assert warren.configure("http://elsewhere") is default.default_client() is not first


def test_straight_to_the_broker_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARREN_BROKER_URL", "amqp://u:p@127.0.0.1:1/")
    with pytest.raises(SettingsError, match="WARREN_RECORDS_URL"):
        add.delay(1, 2)
    monkeypatch.setenv("WARREN_RECORDS_URL", "nonsense")
    with pytest.raises(InvalidRequestError, match="redis://"):
        add.delay(1, 2)


def test_a_forked_process_connects_anew(at_home: Api) -> None:
    add.delay(1, 2).get(timeout=5)
    assert in_a_forked_process(lambda: add.delay(3, 4).get(timeout=5)) == 0
