"""`/v1/tasks/{id}/result`: the bytes themselves, or why there are none."""

from __future__ import annotations

import httpx2
import orjson
import pytest

from tests.unit.producer.conftest import House, answer, fault
from warren import AsyncClient
from warren.client.documents import TaskDocument
from warren.client.web import WebGateway
from warren.errors import InvalidResultError, ResultGoneError, WarrenError
from warren.objects import ObjectUri
from warren.record import Outcome, State

ECHO = {"task": "echo", "args": {"text": "hello"}}
LARGE = ObjectUri("warren", "results/x/1")


def stored(uri: ObjectUri = LARGE, kind: str = "application/json") -> Outcome:
    """Return the end of a task whose result lies in object storage."""
    return Outcome(State.SUCCEEDED, result_type=kind, result_ref=str(uri))


def client_of(api: httpx2.AsyncClient) -> AsyncClient:
    """Return a client of this API."""
    return AsyncClient.over(WebGateway("http://api", patience=0, transport=api._transport))  # noqa: SLF001


async def submitted(api: httpx2.AsyncClient) -> str:
    """Submit a task; return its id."""
    return str((await api.post("/v1/tasks", json=ECHO)).json()["id"])


async def test_a_result_in_the_record_comes_as_its_own_bytes(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"\x89PNG", "image/png"))
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert (response.status_code, response.content) == (200, b"\x89PNG")
    assert (response.headers["Content-Type"], response.headers["Content-Length"]) == ("image/png", "4")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_large_result_is_not_in_the_document_and_is_streamed(api: httpx2.AsyncClient, house: House) -> None:
    await house.objects.put(LARGE, b"[" + b"1," * 1_000_000 + b"2]")
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored())
    document = (await api.get(f"/v1/tasks/{task_id}")).json()
    assert "result" not in document
    assert (document["result_url"], document["result_type"]) == (f"/v1/tasks/{task_id}/result", "application/json")
    response = await api.get(document["result_url"])
    assert int(response.headers["Content-Length"]) == len(response.content) == 2_000_003
    assert orjson.loads(response.content)[-1] == 2


@pytest.mark.parametrize(("kind", "expected"), [("application/json", [1, 2]), ("image/png", b"[1,2]")])
async def test_clients_fetch_a_large_result_by_themselves(
    api: httpx2.AsyncClient, house: House, kind: str, expected: object
) -> None:
    await house.objects.put(LARGE, b"[1,2]")
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored(kind=kind))
    async with client_of(api) as client:
        assert await client.job(task_id).get() == expected


async def test_how_a_task_stands_is_told_without_its_large_result(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored())
    async with client_of(api) as client:
        job = client.job(task_id)
        record = await job.record()
        assert (record.status, record.result_url) == (State.SUCCEEDED, f"/v1/tasks/{task_id}/result")
        assert await job.wait() == record
        with pytest.raises(WarrenError, match="a job's `get` reads it"):
            record.value()
        with pytest.raises(ResultGoneError):
            await job.get()
        await house.objects.put(LARGE, b"7")
        assert await job.get() == 7


async def test_a_large_result_that_cannot_be_read_is_said_to_be_invalid(api: httpx2.AsyncClient, house: House) -> None:
    await house.objects.put(LARGE, b"no JSON at all")
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored())
    async with client_of(api) as client:
        with pytest.raises(InvalidResultError, match="not JSON that can be read"):
            await client.job(task_id).get()


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_json_however_its_type_is_written(api: httpx2.AsyncClient, house: House, kind: str) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b'{"a": 1}', kind))
    document = (await api.get(f"/v1/tasks/{task_id}")).json()
    assert (document["result"], document["result_type"]) == ({"a": 1}, "application/json")
    assert (await api.get(f"/v1/tasks/{task_id}/result")).headers["Content-Type"] == kind


@pytest.mark.parametrize("kind", ["text/plain ; charset=utf-8", "image/svg!xml"])
async def test_a_type_is_passed_on_as_it_is(api: httpx2.AsyncClient, house: House, kind: str) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"x", kind))
    assert (await api.get(f"/v1/tasks/{task_id}/result")).headers["Content-Type"] == kind


@pytest.mark.usefixtures("hurry")
async def test_a_result_may_be_waited_for(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    early = await api.get(f"/v1/tasks/{task_id}/result", headers={"Prefer": "wait=1"})
    assert (early.status_code, early.json()["code"]) == (409, "not-ended")
    assert "queued" in early.json()["detail"]
    await house.consume("cpu", answer(b'"hello"'))
    assert (await api.get(f"/v1/tasks/{task_id}/result", headers={"Prefer": "wait=5"})).json() == "hello"


async def test_a_task_that_failed_has_none_and_says_why(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", fault("exception", "boom"))
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert (response.status_code, response.json()["code"]) == (404, "no-result")
    assert "failed (exception: boom)" in response.json()["detail"]


async def test_a_canceled_task_has_none(api: httpx2.AsyncClient) -> None:
    task_id = await submitted(api)
    await api.delete(f"/v1/tasks/{task_id}")
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert (response.status_code, response.json()["code"]) == (404, "no-result")


async def test_an_unknown_task_is_not_found(api: httpx2.AsyncClient) -> None:
    response = await api.get("/v1/tasks/x/result")
    assert (response.status_code, response.json()["code"]) == (404, "task-not-found")


async def test_a_result_that_was_deleted_is_gone(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored())
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert (response.status_code, response.json()["code"]) == (410, "result-gone")
    assert (await api.get(f"/v1/tasks/{task_id}")).json()["status"] == "succeeded"


async def test_a_storage_that_is_away_is_503_and_the_document_needs_it_not(
    api: httpx2.AsyncClient, house: House
) -> None:
    await house.objects.put(LARGE, b"[1,2]")
    task_id = await submitted(api)
    await house.consume("cpu", lambda _: stored())
    house.objects.available = False
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert (response.status_code, response.json()["code"]) == (503, "storage-unavailable")
    assert (await api.get(f"/v1/tasks/{task_id}")).status_code == 200


@pytest.mark.parametrize("kind", ["text/html\r\nSet-Cookie: a=b", "html", "", "téxt/html"])
async def test_a_type_that_is_none_is_not_passed_on(api: httpx2.AsyncClient, house: House, kind: str) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"x", kind or "?"))
    response = await api.get(f"/v1/tasks/{task_id}/result")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(("kind", "body"), [("image/png", b""), ("application/json", b"null")])
async def test_a_result_without_bytes_is_empty_and_null_in_json(
    api: httpx2.AsyncClient, house: House, kind: str, body: bytes
) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"", kind))
    assert (await api.get(f"/v1/tasks/{task_id}/result")).content == body
    assert TaskDocument.model_validate_json((await api.get(f"/v1/tasks/{task_id}")).content).value() == (
        None if kind == "application/json" else b""
    )


async def test_a_large_number_is_told_to_its_last_digit(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"1180591620717411303425"))
    assert (await api.get(f"/v1/tasks/{task_id}")).json()["result"] == 2**70 + 1
