"""Many tasks in one call, from the client's side."""

from collections.abc import Callable

import httpx2
import orjson
import pytest

from warren import AsyncClient
from warren.client.batch import CALL_BYTES, CALL_ITEMS, BatchRefusedError
from warren.client.problem import PROBLEM_JSON, Problem
from warren.client.web import WebGateway
from warren.errors import (
    BrokerUnavailableError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnavailableError,
    WarrenError,
    WrongPoolError,
)

pytestmark = pytest.mark.usefixtures("hurry")

Judge = Callable[[dict[str, object]], WarrenError | None]


class Api:
    """Accepts batches but for what `judge` refuses, and remembers what it was sent."""

    def __init__(self, judge: Judge = lambda _: None) -> None:
        self._judge = judge
        self.calls: list[list[dict[str, object]]] = []
        self.failures: list[httpx2.Response | Exception] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        assert request.url.path == "/v1/tasks/batch"
        assert len(request.content) < CALL_BYTES * 1.5
        tasks = orjson.loads(request.content)["tasks"]
        self.calls.append(tasks)
        told = [self._told(index, task) for index, task in enumerate(tasks)]
        return httpx2.Response(202, json={"tasks": told, "accepted": 0, "refused": 0})

    def _told(self, index: int, task: dict[str, object]) -> dict[str, object]:
        fault = self._judge(task)
        if fault is not None:
            return {"index": index, "error": Problem.of(fault).model_dump(mode="json")}
        return {"id": f"id-{task['idempotency_key']}", "task": task["task"], "pool": "cpu", "status": "queued"}

    def client(self, patience: float = 1.0) -> AsyncClient:
        return AsyncClient.over(WebGateway("http://api", patience=patience, transport=httpx2.MockTransport(self)))


class Small(Api):
    """Takes small bodies only."""

    def __init__(self, refusal: httpx2.Response, most_bytes: int) -> None:
        super().__init__()
        self._refusal = refusal
        self._most_bytes = most_bytes

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        return self._refusal if len(request.content) > self._most_bytes else super().__call__(request)


def requests(count: int, **more: object) -> list[dict[str, object]]:
    return [{"task": "echo", "args": {"n": n}, **more} for n in range(count)]


async def test_many_tasks_go_in_few_calls_and_come_back_in_order() -> None:
    api = Api()
    async with api.client() as client:
        jobs = await client.submit_many(requests(2500), idempotency_key="k")
    assert [len(call) for call in api.calls] == [CALL_ITEMS, CALL_ITEMS, 500]
    assert [job.id for job in jobs] == [f"id-k/{n}" for n in range(2500)]
    assert api.calls[2][0] == {"task": "echo", "args": {"n": 2000}, "idempotency_key": "k/2000"}


async def test_large_tasks_go_in_more_calls() -> None:
    api = Api()
    async with api.client() as client:
        await client.submit_many([{"task": "echo", "args": {"text": "x" * (CALL_BYTES // 3)}}] * 4)
    assert [len(call) for call in api.calls] == [2, 2]


async def test_no_tasks_are_no_call() -> None:
    api = Api()
    async with api.client() as client:
        assert await client.submit_many([]) == []
    assert not api.calls


async def test_keys_are_the_same_in_every_call_and_ones_own_stay() -> None:
    api = Api()
    api.failures = [httpx2.ReadError("cut"), httpx2.Response(502)]
    async with api.client() as client:
        first, second = await client.submit_many([*requests(1), *requests(1, idempotency_key="mine")])
    assert second.id == "id-mine"
    assert len(api.calls) == 1
    assert first.id.endswith("/0")


async def test_what_is_refused_for_now_is_sent_again_and_nothing_else() -> None:
    seen: list[object] = []

    def judge(task: dict[str, object]) -> WarrenError | None:
        seen.append(task["args"])
        late = task["args"] in ({"n": 1}, {"n": 3}) and seen.count(task["args"]) < 3
        return BrokerUnavailableError("away") if late else None

    api = Api(judge)
    async with api.client() as client:
        jobs = await client.submit_many(requests(5), idempotency_key="k")
    assert [job.id for job in jobs] == [f"id-k/{n}" for n in range(5)]
    assert [len(call) for call in api.calls] == [5, 2, 2]


async def test_the_refused_are_told_and_the_accepted_too() -> None:
    api = Api(lambda task: WrongPoolError("no such pool") if task["args"] == {"n": 1} else None)
    async with api.client() as client:
        with pytest.raises(
            BatchRefusedError, match="1 of 3 tasks were refused; number 1, the first: no such"
        ) as caught:
            await client.submit_many(requests(3), idempotency_key="k")
    assert isinstance(caught.value.refused[1], WrongPoolError)
    assert caught.value.accepted == {0: "id-k/0", 2: "id-k/2"}
    assert len(api.calls) == 1


async def test_an_api_that_is_away_ends_the_clients_patience_once() -> None:
    api = Api()
    api.failures = [httpx2.ConnectError("refused")] * 100
    async with api.client(patience=0.25) as client:
        with pytest.raises(BatchRefusedError, match="2500 of 2500") as caught:
            await client.submit_many(requests(2500))
    assert {type(fault) for fault in caught.value.refused.values()} == {UnavailableError}
    assert len(api.failures) >= 95, "every part waited for itself"


async def test_a_part_that_is_refused_as_a_whole_leaves_the_others_be() -> None:
    api = Api()
    body = Problem.of(InvalidRequestError("too large")).json_bytes()
    api.failures = [httpx2.Response(413, content=body, headers={"Content-Type": PROBLEM_JSON})]
    async with api.client() as client:
        with pytest.raises(BatchRefusedError) as caught:
            await client.submit_many(requests(1500))
    assert (len(caught.value.refused), len(caught.value.accepted)) == (1000, 500)


TOO_LARGE = Problem.of(PayloadTooLargeError("the body is over the limit")).json_bytes()


@pytest.mark.parametrize(
    "refusal",
    [
        httpx2.Response(413, content=TOO_LARGE, headers={"Content-Type": PROBLEM_JSON}),
        httpx2.Response(413, text="<h1>413 Request Entity Too Large</h1>"),
    ],
    ids=["the API's", "that of a proxy before it"],
)
async def test_under_a_small_limit_of_bodies_a_part_is_halved_until_it_fits(refusal: httpx2.Response) -> None:
    small = Small(refusal, most_bytes=4096)
    large: dict[str, object] = {"task": "echo", "args": {"text": "x" * 4096}}
    items = [*requests(200), large, *requests(100)]
    async with small.client() as client:
        with pytest.raises(BatchRefusedError) as caught:
            await client.submit_many(items, idempotency_key="k")
    assert [type(fault) for fault in caught.value.refused.values()] == [PayloadTooLargeError]
    assert list(caught.value.refused) == [200]
    accepted = [n for n in range(301) if n != 200]
    assert caught.value.accepted == {n: f"id-k/{n}" for n in accepted}
    assert sum(map(len, small.calls)) == 300, "none was sent twice"


async def test_when_nothing_answers_any_more_what_was_halved_waits_with_the_rest() -> None:
    small = Small(httpx2.Response(413), most_bytes=4096)
    small.failures = [httpx2.ConnectError("refused")] * 100
    async with small.client(patience=0) as client:
        with pytest.raises(BatchRefusedError) as caught:
            await client.submit_many(requests(400))
    assert {type(fault) for fault in caught.value.refused.values()} == {UnavailableError}
    assert len(caught.value.refused) == 400
    assert len(small.failures) == 99, "only the first part that fits met silence"


async def test_another_server_is_told_apart() -> None:
    api = Api()
    api.failures = [httpx2.Response(202, json={"tasks": [], "accepted": 0, "refused": 0})]
    async with api.client() as client:
        with pytest.raises(BatchRefusedError, match="not as Warren's API does"):
            await client.submit_many(requests(1))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"task": "echo", "options": {"retries": 3}}, r"2\.options\.retries: there is no such field"),
        ({"args": {}}, r"2\.task"),
        ({"task": "echo", "args": {"x": float("nan")}}, r"2\.args.*NaN"),
    ],
)
async def test_a_malformed_request_is_named_before_anything_is_sent(wrong: dict[str, object], said: str) -> None:
    api = Api()
    async with api.client() as client:
        with pytest.raises(InvalidRequestError, match=said):
            await client.submit_many([*requests(2), wrong])
    assert not api.calls
