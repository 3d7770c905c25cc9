"""The clients over HTTP, against an API that answers as the test says."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import orjson
import pytest

from warren import AsyncClient, Client
from warren.client.problem import PROBLEM_JSON, Problem
from warren.client.web import WebGateway
from warren.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    RateLimitedError,
    TaskCrashedError,
    TaskNotFoundError,
    TaskTimeoutError,
    UnavailableError,
    WaitTimeoutError,
    WarrenError,
    WrongPoolError,
)
from warren.record import State

Answer = httpx2.Response | Exception


class Api:
    """Answers in the order given, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, patience: float = 1.0) -> AsyncClient:
        """Return a client of this API."""
        return AsyncClient.over(WebGateway("http://api", patience=patience, transport=httpx2.MockTransport(self)))


def document(status: str, **more: object) -> httpx2.Response:
    """Return a task's document."""
    return httpx2.Response(200, json={"id": "1", "task": "echo", "pool": "cpu", "status": status, **more})


def problem(status: int, code: str, **headers: str) -> httpx2.Response:
    """Return a problem document."""
    body = Problem(type="t", title="t", status=status, code=code, detail="what is wrong").json_bytes()
    return httpx2.Response(status, content=body, headers={"Content-Type": PROBLEM_JSON, **headers})


async def test_submitting_sends_what_the_api_reads() -> None:
    api = Api(document("queued"))
    async with api.client() as client:
        job = await client.submit("echo", {"options": 1}, options={"pool": "cpu"}, text="hello")
    [request] = api.requests
    assert orjson.loads(request.content) == {
        "task": "echo",
        "args": {"options": 1, "text": "hello"},
        "options": {"pool": "cpu"},
    }
    assert request.headers["Idempotency-Key"]
    assert job.id == "1"


@pytest.mark.usefixtures("hurry")
async def test_a_lost_connection_never_submits_twice() -> None:
    lost = (httpx2.ConnectError("refused"), httpx2.ReadError("cut"), problem(503, "broker-unavailable"))
    api = Api(*lost, document("queued"))
    async with api.client() as client:
        await client.submit("echo")
    assert len(api.requests) == 4
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1


async def test_an_answer_that_cannot_be_unpacked_is_none() -> None:
    api = Api(httpx2.DecodingError("no gzip"), document("queued"))
    async with api.client() as client:
        await client.submit("echo")
    assert len({request.headers["Idempotency-Key"] for request in api.requests}) == 1 < len(api.requests)


@pytest.mark.usefixtures("hurry")
async def test_a_lost_connection_never_predicts_twice() -> None:
    found = httpx2.Response(200, json={"model": "iris", "version": "1", "predictions": [{"label": "setosa"}]})
    api = Api(httpx2.ReadError("cut"), found, found)
    async with api.client() as client:
        await client.predict("iris", [[5.1, 3.5, 1.4, 0.2]])
        await client.predict("iris", [[5.1, 3.5, 1.4, 0.2]])
    first, again, other = (request.headers["Idempotency-Key"] for request in api.requests)
    assert first == again != other


@pytest.mark.usefixtures("hurry")
async def test_patience_ends() -> None:
    api = Api(httpx2.ConnectError("refused"))
    async with api.client(patience=0.2) as client:
        with pytest.raises(UnavailableError, match="no answer from http://api: refused"):
            await client.submit("echo")
    assert len(api.requests) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.usefixtures("hurry")
async def test_a_proxy_that_asks_for_patience_is_asked_again(status: int) -> None:
    soon = format_datetime(datetime.now(UTC), usegmt=True)
    busy = [
        httpx2.Response(status, text="busy", headers=told) for told in ({}, {"Retry-After": "0"}, {"Retry-After": soon})
    ]
    api = Api(*busy, document("queued"))
    async with api.client() as client:
        assert (await client.submit("echo")).id == "1"
    assert len(api.requests) == 4


async def test_a_proxy_that_asks_for_more_patience_than_there_is_is_not_asked_again() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    api = Api(httpx2.Response(429, text="busy", headers={"Retry-After": later}))
    async with api.client() as client:
        with pytest.raises(RateLimitedError, match="not as Warren's API does") as refused:
            await client.job("1").record()
    assert refused.value.retry_after == pytest.approx(3600, abs=60)
    assert len(api.requests) == 1


async def test_a_fault_is_not_repeated_and_keeps_its_class() -> None:
    api = Api(problem(422, "wrong-pool"))
    async with api.client() as client:
        with pytest.raises(WrongPoolError, match="what is wrong"):
            await client.submit("echo")
    assert len(api.requests) == 1


async def test_another_server_is_told_apart() -> None:
    async with Api(httpx2.Response(404, text="nginx")).client() as client:
        with pytest.raises(NotFoundError, match="not as Warren's API does"):
            await client.job("1").record()


@pytest.mark.parametrize(
    "answer", [httpx2.Response(200, text="<html>"), httpx2.Response(302, headers={"Location": "/login"})]
)
async def test_another_server_is_told_apart_by_any_answer(answer: httpx2.Response) -> None:
    async with Api(answer).client() as client:
        with pytest.raises(WarrenError, match="not as Warren's API does"):
            await client.job("1").record()
        with pytest.raises(WarrenError, match="not as Warren's API does"):
            await client.predict("rose", [[1]])


async def test_an_id_leads_to_no_other_path() -> None:
    api = Api(problem(404, "task-not-found"))
    async with api.client() as client:
        for task_id in ("../../healthz", "a?b", "a#b", "a/b"):
            with pytest.raises(TaskNotFoundError):
                await client.job(task_id).record()
    assert all(request.url.raw_path.count(b"/") == 3 and not request.url.query for request in api.requests)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "NaN or infinity"),
        ([1, {"a": float("-inf")}], "NaN or infinity"),
        ({1, 2}, "set"),
        (b"\xff", "bytes"),
        (object(), "object"),
        ("\ud800", "surrogates"),
        (10**30, "64-bit"),
    ],
)
async def test_what_is_no_json_is_refused_before_it_is_sent(value: object, said: str) -> None:
    api = Api(document("queued"))
    async with api.client() as client:
        with pytest.raises(InvalidRequestError, match=said):
            await client.submit("echo", text=value)
    assert not api.requests


async def test_inputs_that_cannot_be_sent_are_refused() -> None:
    api = Api(document("queued"))
    async with api.client() as client:
        for value in (float("nan"), object()):
            with pytest.raises(InvalidRequestError, match="the rows are not JSON"):
                await client.predict("iris", [[value]])  # type: ignore[list-item]
        with pytest.raises(InvalidRequestError, match="more than 0 seconds"):
            await client.predict("iris", [[1]], timeout=0)
        with pytest.raises(InvalidRequestError, match="not a model's name"):
            await client.predict("iris/../x?", [[1]])
    assert not api.requests


async def test_a_key_that_http_cannot_carry_is_refused_at_once() -> None:
    api = Api(document("queued"))
    async with api.client() as client:
        for key in ("a\nb", "日本", " a", "a "):
            with pytest.raises(InvalidRequestError, match="printable ASCII"):
                await client.submit("echo", idempotency_key=key)
    assert not api.requests


async def test_an_empty_key_or_one_that_is_too_long_is_refused_at_once() -> None:
    api, work = Api(document("queued")), {"task": "echo"}
    async with api.client() as client:
        for key in ("", "k" * 256):
            with pytest.raises(InvalidRequestError, match="1 to 255 characters"):
                await client.submit("echo", idempotency_key=key)
        for key in ("", "k" * 250):
            with pytest.raises(InvalidRequestError, match="1 to 249 characters"):
                await client.submit_many([work], idempotency_key=key)
    assert not api.requests


async def test_wrong_options_are_refused_before_they_are_sent() -> None:
    api = Api(document("queued"))
    async with api.client() as client:
        with pytest.raises(InvalidRequestError, match=r"options\.retries"):
            await client.submit("echo", options={"retries": 3})
    assert not api.requests


async def test_the_result_is_decoded() -> None:
    api = Api(document("started"), document("succeeded", result=[1], result_type="application/json"))
    async with api.client() as client:
        assert await client.job("1").get() == [1]
    assert api.requests[0].headers["Prefer"] == "wait=20"


async def test_bytes_are_decoded() -> None:
    async with Api(document("succeeded", result="AAE=", result_type="image/png")).client() as client:
        assert await client.job("1").get() == b"\x00\x01"


async def test_a_failed_task_raises_its_fault() -> None:
    async with Api(document("failed", error={"code": "exception", "message": "boom"})).client() as client:
        with pytest.raises(TaskCrashedError, match="boom"):
            await client.job("1").get()


async def test_a_task_that_takes_longer_goes_on() -> None:
    async with Api(document("started")).client() as client:
        with pytest.raises(WaitTimeoutError, match="is started") as caught:
            await client.job("1").get(timeout=0.05)
    assert isinstance(caught.value, TaskTimeoutError)


@pytest.mark.parametrize(
    "end", [document("failed", error={"code": "timeout", "message": "after 30 s"}), document("expired")]
)
async def test_a_task_past_its_own_time_limit_is_told_from_a_wait_that_is_over(end: httpx2.Response) -> None:
    async with Api(end).client() as client:
        with pytest.raises(TaskTimeoutError) as caught:
            await client.job("1").get(timeout=0.05)
    assert not isinstance(caught.value, WaitTimeoutError)


async def test_a_timeout_that_is_no_number_is_over_at_once() -> None:
    api = Api(document("queued"))
    async with api.client() as client, asyncio.timeout(5):
        with pytest.raises(TaskTimeoutError):
            await client.job("1").get(timeout=float("nan"))
    assert len(api.requests) == 1


async def test_canceling() -> None:
    api = Api(document("canceled"))
    async with api.client() as client:
        assert (await client.job("1").cancel()).status is State.CANCELED
    assert api.requests[0].method == "DELETE"


async def test_predicting_rows_and_images() -> None:
    api = Api(httpx2.Response(200, json={"model": "iris", "version": "1", "predictions": [{"label": "setosa"}]}))
    async with api.client() as client:
        response = await client.predict("iris@1", [[5.1, 3.5, 1.4, 0.2]], timeout=3)
        await client.predict("digits", image=b"\x89PNG\r\n\x1a\nrest")
        with pytest.raises(InvalidRequestError, match="either rows or one image"):
            await client.predict("iris")
    rows, image = api.requests
    assert response.predictions[0].label == "setosa"
    assert (rows.url.path, rows.headers["Prefer"]) == ("/v1/models/iris@1/predict", "wait=3")
    assert orjson.loads(rows.content) == {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    assert image.headers["Content-Type"] == "image/png"


async def test_an_unknown_model() -> None:
    async with Api(problem(404, "model-not-found")).client() as client:
        with pytest.raises(ModelNotFoundError):
            await client.predict("rose", [[1]])


@pytest.mark.parametrize(
    ("url", "records", "message"),
    [
        ("localhost:17800", None, "neither the API's URL"),
        ("http://", None, "not the API's URL"),
        ("http://localhost:abc", None, "not the API's URL"),
        ("http://localhost:99999", None, "not the API's URL"),
        ("http://localhost?a=1", None, "is not the API's URL: that ends before any"),
        ("http://localhost/warren#api", None, "is not the API's URL: that ends before any"),
        ("amqp://localhost", None, "records='redis://"),
        ("amqp://localhost", "http://localhost", "records='redis://"),
        ("amqp://localhost:x", "redis://localhost", "not the broker's URL"),
        ("amqp://localhost", "redis://u:secret@localhost:x", "'redis://localhost:x' is not the records' URL"),
    ],
)
def test_a_wrong_address_is_refused(url: str, records: str | None, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        AsyncClient(url, records=records)


def test_a_schemes_letters_are_of_any_size() -> None:
    AsyncClient("HTTP://localhost:17800/")


class Threaded:
    """The synchronous client over an API, by the same way as over a real one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, api: Api) -> Client:
        transport = httpx2.MockTransport(api)
        make = lambda url, **how: WebGateway(url, **how, transport=transport)  # noqa: E731
        self._monkeypatch.setattr("warren.client.asynchronous.WebGateway", make)
        return Client("http://api", patience=0.1)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Api], Client]]:
    """Make synchronous clients; afterwards no thread of theirs is left."""
    yield Threaded(monkeypatch)
    assert not [thread for thread in threading.enumerate() if thread.name == "warren-client"]


def test_the_synchronous_client_has_the_same_calls(connect: Callable[[Api], Client]) -> None:
    with connect(Api(document("succeeded", result="hello", result_type="application/json"))) as client:
        job = client.submit("echo", text="hello")
        assert (job.id, job.status, job.get(timeout=1)) == ("1", State.SUCCEEDED, "hello")
        assert (job.wait().status, job.record().status, job.cancel().status) == (State.SUCCEEDED,) * 3
        assert client.job("1").get() == "hello"


def test_the_synchronous_client_works_inside_of_a_running_loop(connect: Callable[[Api], Client]) -> None:
    async def program() -> str:
        with connect(Api(document("queued"))) as client:
            return client.submit("echo").id

    assert asyncio.run(program()) == "1"


def test_faults_come_out_of_the_thread(connect: Callable[[Api], Client]) -> None:
    with connect(Api(problem(404, "model-not-found"))) as client, pytest.raises(ModelNotFoundError):
        client.predict("rose", [[1]])
