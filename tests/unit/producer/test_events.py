"""`/v1/tasks/{id}/events`: a task as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import orjson
import pytest

from tests.unit.producer.conftest import House, answer, serving
from tests.unit.producer.raw import Raw, asking
from warren.record import Outcome, Progress, State
from warren.tasks import Task

ECHO = {"task": "echo", "args": {"text": "hello"}}
Event = dict[str, str]


def parsed(stream: str) -> list[Event]:
    """Return the events of a stream, as an EventSource reads them."""
    return [
        dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        for block in stream.split("\n\n")
        if block.strip(":\n")
    ]


async def submitted(api: httpx2.AsyncClient) -> str:
    return str((await api.post("/v1/tasks", json=ECHO)).json()["id"])


@asynccontextmanager
async def streaming(api: httpx2.AsyncClient, task_id: str) -> AsyncIterator[Raw]:
    """Follow a task inside of the block."""
    async with asking(api, "GET", f"/v1/tasks/{task_id}/events") as raw:
        yield raw


@pytest.mark.usefixtures("hurry")
async def test_a_task_is_told_from_its_state_to_its_end(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    async with streaming(api, task_id) as raw:
        await raw.until(b"event: queued")
        task = Task("echo", "cpu", id=task_id)
        claim = await house.records.claim(task, "c", alone=True)
        assert claim.lease is not None
        await raw.until(b"event: started")
        await house.records.renew(claim.lease, task, "c", progress=Progress(fraction=0.5, message="half"))
        await raw.until(b"event: progress")
        await house.records.finish(claim.lease, task, Outcome(State.SUCCEEDED, result=b'"hello"'))
        await raw.until(b"event: succeeded")
    events = parsed(raw.sent.decode())
    assert [event["event"] for event in events] == ["queued", "started", "progress", "succeeded"]
    assert len({event["id"] for event in events}) == 4
    assert orjson.loads(events[2]["data"])["progress"] == {"fraction": 0.5, "message": "half"}
    assert events[3]["data"] == (await api.get(f"/v1/tasks/{task_id}")).text


async def test_the_stream_of_an_ended_task_is_its_end(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    await house.consume("cpu", answer(b"1"))
    response = await api.get(f"/v1/tasks/{task_id}/events")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-store", "no")
    [event] = parsed(response.text)
    assert (event["event"], orjson.loads(event["data"])["result"]) == ("succeeded", 1)
    again = await api.get(f"/v1/tasks/{task_id}/events", headers={"Last-Event-ID": event["id"]})
    assert (again.status_code, again.content) == (204, b"")
    behind = await api.get(f"/v1/tasks/{task_id}/events", headers={"Last-Event-ID": "1.started"})
    assert [event["event"] for event in parsed(behind.text)] == ["succeeded"]


async def test_a_task_that_is_not_there_is_a_problem_and_no_stream(api: httpx2.AsyncClient) -> None:
    response = await api.get("/v1/tasks/nope/events")
    assert (response.status_code, response.json()["code"]) == (404, "task-not-found")


async def test_records_that_are_away_are_a_problem_and_no_stream(api: httpx2.AsyncClient, house: House) -> None:
    task_id = await submitted(api)
    house.records.available = False
    response = await api.get(f"/v1/tasks/{task_id}/events")
    assert (response.status_code, response.json()["code"]) == (503, "records-unavailable")


async def test_silence_is_broken_by_a_comment(api: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_producer.routes.events.SILENCE_SECONDS", 0.05)
    async with streaming(api, await submitted(api)) as raw:
        await raw.until(b"\n\n:\n\n:\n\n")


async def test_a_client_that_leaves_leaves_nothing_and_too_many_are_refused(
    api: httpx2.AsyncClient, house: House
) -> None:
    task_id = await submitted(api)
    async with streaming(api, task_id) as one, streaming(api, task_id) as other:
        await one.until(b"event: queued")
        await other.until(b"event: queued")
        refused = await api.get(f"/v1/tasks/{task_id}/events")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    async with streaming(api, task_id) as again:
        await again.until(b"event: queued")
    figures = (await api.get("/metrics")).text
    assert "\nwarren_requests_waiting 0.0\n" in figures


async def test_streams_end_when_the_process_closes(house: House) -> None:
    async with serving(house) as api:
        task_id = await submitted(api)
        async with streaming(api, task_id) as raw:
            await raw.until(b"event: queued")
            api._transport.app.state.watch.dismiss(1)  # type: ignore[attr-defined]  # noqa: SLF001
            late = await asyncio.wait_for(api.get(f"/v1/tasks/{task_id}/events"), 1)
    assert [event["event"] for event in parsed(late.text)] == ["queued"]
