"""HEAD: what GET answers, without the content."""

import asyncio

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer
from tests.unit.producer.raw import asking

ECHO = {"task": "echo", "args": {"text": "hello"}}


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/v1/tasks/{id}", "/v1/tasks/{id}/result", "/v1/pools", "/v1/dead-letters", "/docs", "/no"],
)
async def test_it_answers_as_get_without_the_content(api: httpx2.AsyncClient, house: House, path: str) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    await house.consume("cpu", answer(b"1"))
    got, headed = await api.get(path.format(id=task_id)), await api.head(path.format(id=task_id))
    assert headed.content == b""
    assert (headed.status_code, headed.headers) == (got.status_code, got.headers)
    assert got.content


async def test_not_ready_is_told_so_too(api: httpx2.AsyncClient, house: House) -> None:
    house.broker.available = False
    assert (await api.head("/readyz")).status_code == 503


async def test_what_cannot_be_read_cannot_be_asked_so(api: httpx2.AsyncClient) -> None:
    response = await api.head("/v1/tasks")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


async def test_a_stream_ends_with_its_headers(api: httpx2.AsyncClient) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    async with asyncio.timeout(2):
        response = await api.head(f"/v1/tasks/{task_id}/events")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    assert "\nwarren_requests_waiting 0.0\n" in (await api.get("/metrics")).text


async def test_a_stream_ends_for_a_server_of_newer_asgi_too(api: httpx2.AsyncClient) -> None:
    """Its `send` is where streams then look for a client that has gone."""
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    async with asking(api, "HEAD", f"/v1/tasks/{task_id}/events", asgi="2.4") as raw, asyncio.timeout(2):
        while not raw.status:  # noqa: ASYNC110 - the application tells nobody
            await asyncio.sleep(0.01)
    assert (raw.status, raw.sent) == (200, b"")


@pytest.mark.usefixtures("hurry")
async def test_a_wait_that_is_asked_for_is_kept_to(api: httpx2.AsyncClient, house: House) -> None:
    """As with GET: who asks without `Prefer` is answered at once."""
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    response, _ = await asyncio.gather(
        api.head(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=5"}), house.consume("cpu", answer(b"1"))
    )
    ended = await api.get(f"/v1/tasks/{task_id}")
    assert response.headers["Content-Length"] == ended.headers["Content-Length"]


async def test_it_is_measured_under_its_route(api: httpx2.AsyncClient) -> None:
    await api.head("/v1/tasks/a")
    sample = 'warren_http_request_seconds_count{method="HEAD",route="/v1/tasks/{task_id}",status="404"} 1.0'
    assert sample in (await api.get("/metrics")).text


async def test_nothing_of_the_content_is_sent(api: httpx2.AsyncClient) -> None:
    async with asking(api, "HEAD", "/healthz") as raw:
        async with asyncio.timeout(2):
            while not raw.status:  # noqa: ASYNC110 - the application tells nobody
                await asyncio.sleep(0.01)
    assert (raw.status, raw.sent) == (200, b"")
