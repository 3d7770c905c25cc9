"""Every error is a problem document that names what is wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import httpx2
import orjson
import pytest

from tests.unit.producer.conftest import House, serving


async def _problem(response: httpx2.Response, status: int, code: str) -> dict[str, object]:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    assert (document["code"], document["status"], document["type"]) == (code, status, f"urn:warren:problem:{code}")
    assert document["title"]
    assert document["detail"]
    return document


async def test_an_unknown_path(api: httpx2.AsyncClient) -> None:
    document = await _problem(await api.get("/v1/nope"), 404, "not-found")
    assert document["instance"] == "/v1/nope"


async def test_an_unknown_method(api: httpx2.AsyncClient) -> None:
    response = await api.put("/v1/tasks")
    await _problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "POST"
    assert (await api.put("/v1/tasks/1")).headers["Allow"] == "DELETE, GET, HEAD"
    assert (await api.put("/v1/tasks/batch")).headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "task"),
        ({"task": "no spaces"}, "task"),
        ({"task": "echo", "arguments": {}}, "arguments"),
        ({"task": "echo", "args": []}, "args"),
        ({"task": "echo", "options": {"timeout_seconds": -1}}, "options.timeout_seconds"),
        ({"task": "echo", "options": {"retries": 1}}, "options.retries"),
        ({"task": "echo", "options": {"priority": "urgent"}}, "options.priority"),
    ],
)
async def test_wrong_fields_are_named(api: httpx2.AsyncClient, body: object, field: str) -> None:
    document = await _problem(await api.post("/v1/tasks", json=body), 422, "invalid-request")
    assert isinstance(document["errors"], list)
    assert [error["field"] for error in document["errors"]] == [field]


async def test_a_body_that_is_no_json(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", content=b"{oops", headers={"Content-Type": "application/json"})
    document = await _problem(response, 422, "invalid-request")
    message = "not JSON: Expecting property name enclosed in double quotes at character 1"
    assert document["errors"] == [{"field": "body", "message": message}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"task": "echo", "args": {"text": NaN}}', "args: not JSON: it holds NaN or infinity"),
        (b'{"task": "echo", "args": {"text": [1e999]}}', "args: not JSON: it holds NaN or infinity"),
        (b'{"task": "echo", "args": {"text": "\\ud800"}}', "args: not JSON: str is not valid UTF-8"),
        (b'{"task": "\xff"}', "the body cannot be read as JSON: it is not UTF-8"),
        (b"[" * 4_000 + b"]" * 4_000, "nested too deeply"),
    ],
)
async def test_what_json_has_not_is_refused(api: httpx2.AsyncClient, content: bytes, said: str) -> None:
    response = await api.post("/v1/tasks", content=content, headers={"Content-Type": "application/json"})
    document = await _problem(response, 422, "invalid-request")
    assert said in str(document["detail"])


async def test_a_body_of_another_type_is_told_by_its_type(api: httpx2.AsyncClient) -> None:
    kind = "application/x-www-form-urlencoded"
    response = await api.post("/v1/tasks", content=b'{"task": "echo"}', headers={"Content-Type": kind})
    document = await _problem(response, 422, "invalid-request")
    assert document["detail"] == f"header.Content-Type: {kind!r} is not application/json, which is read here"
    document = await _problem(await api.post("/v1/tasks", content=b'{"task": "echo"}'), 422, "invalid-request")
    assert document["detail"] == "header.Content-Type: missing; application/json is read here"
    assert (await _problem(await api.post("/v1/tasks"), 422, "invalid-request"))["detail"] == "body: Field required"


@pytest.mark.parametrize(
    "body",
    [
        lambda: {"task": "echo"} | {f"field{number}": 0 for number in range(200_000)},
        lambda: {"task": "echo", "options": {f"option{number}": 0 for number in range(200_000)}},
        lambda: {"task": "train", "args": {f"field{number}": 0 for number in range(100_000)}},
    ],
    ids=["fields", "options", "arguments"],
)
async def test_a_mass_of_mistakes_is_refused_in_no_time(spacious_house: House, body: Callable[[], object]) -> None:
    content = orjson.dumps(body())
    async with serving(spacious_house) as api:
        started = time.process_time()
        response = await api.post("/v1/tasks", content=content, headers={"Content-Type": "application/json"})
    await _problem(response, 422, "invalid-request")
    assert len(response.content) < 1000
    assert time.process_time() - started < 2


async def test_a_key_that_is_too_long(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json={"task": "echo"}, headers={"Idempotency-Key": "x" * 256})
    document = await _problem(response, 422, "invalid-request")
    assert "idempotency-key" in str(document["errors"])


async def test_a_body_over_the_limit(api: httpx2.AsyncClient, house: House) -> None:
    body = b"x" * (house.settings.max_body_bytes + 1)
    response = await api.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    document = await _problem(response, 413, "payload-too-large")
    assert "WARREN_MAX_BODY_BYTES" in str(document["detail"])


async def test_a_body_over_the_limit_that_does_not_say_so(api: httpx2.AsyncClient, house: House) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(house.settings.max_body_bytes // 1000 + 1):
            yield b"x" * 1000

    for path, kind in (("/v1/tasks", "application/json"), ("/v1/models/iris/predict", "image/png")):
        await _problem(await api.post(path, content=chunks(), headers={"Content-Type": kind}), 413, "payload-too-large")


async def test_a_refused_body_is_taken_to_its_end_so_that_the_answer_arrives(
    api: httpx2.AsyncClient, house: House
) -> None:
    sent = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(30):
            sent.append(number)
            yield b"x" * (house.settings.max_body_bytes // 10)

    headers = {"Content-Type": "application/json"}
    await _problem(await api.post("/v1/tasks", content=chunks(), headers=headers), 413, "payload-too-large")
    assert len(sent) == 30


async def test_a_bug_is_told_without_its_insides(
    api: httpx2.AsyncClient,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: object) -> None:
        message = "secret"
        raise RuntimeError(message)

    monkeypatch.setattr(house.records, "read", broken)
    document = await _problem(await api.get("/v1/tasks/x"), 500, "internal")
    assert "secret" not in str(document)


@pytest.mark.parametrize("content_type", ["application/json", "application/JSON"])
async def test_bodies_that_are_too_much_together_are_refused_until_the_others_are_done(
    api: httpx2.AsyncClient, house: House, content_type: str
) -> None:
    half = house.settings.max_bodies_bytes // 4 // 2
    first_is_here, first_may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{" + b" " * (half)
        first_is_here.set()
        await first_may_end.wait()
        yield b'"task":"echo"}'

    headers = {"Content-Type": content_type}
    body = b'{"task":"echo"}' + b" " * (half)
    first = asyncio.create_task(api.post("/v1/tasks", content=slow(), headers=headers))
    await first_is_here.wait()
    refused = await api.post("/v1/tasks", content=body, headers=headers)
    document = await _problem(refused, 503, "unavailable")
    assert "WARREN_MAX_BODIES_BYTES" in str(document["detail"])
    assert refused.headers["Retry-After"] == "1"
    assert (await api.post("/v1/tasks", json={"task": "echo"})).status_code == 202
    first_may_end.set()
    assert (await first).status_code == 202
    assert (await api.post("/v1/tasks", content=body, headers=headers)).status_code == 202
