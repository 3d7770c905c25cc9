"""Following tasks on real servers: at once, and without holding up anybody's end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import orjson

from tests.integration.producer.conftest import Consumer, Producer
from warren import AsyncClient

ECHO = {"task": "echo", "args": {"text": "hello"}}


async def submitted(producer: Producer) -> str:
    async with httpx2.AsyncClient(base_url=producer.url) as http:
        return str((await http.post("/v1/tasks", json=ECHO)).json()["id"])


@asynccontextmanager
async def following(producer: Producer, task_id: str) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, object]]]]:
    """Yield the task's events, each with its data."""
    url = f"{producer.url}/v1/tasks/{task_id}/events"
    async with httpx2.AsyncClient(timeout=30) as http, http.stream("GET", url) as response:
        assert response.status_code == 200
        yield parsed(response)


async def parsed(response: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, object]]]:
    name = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, orjson.loads(value)


async def waiting(producer: Producer) -> float:
    """Return how many requests wait."""
    async with httpx2.AsyncClient() as http:
        figures = (await http.get(f"{producer.url}/metrics")).text
    return next(float(line.split()[1]) for line in figures.splitlines() if line.startswith("warren_requests_waiting "))


async def test_a_task_is_followed_to_its_end(producer: Producer, consumer: Consumer) -> None:
    task_id = await submitted(producer)
    async with following(producer, task_id) as events:
        name, document = await anext(events)
        assert (name, document["id"], document["status"]) == ("queued", task_id, "queued")
        async with consumer.working():
            seen = [event async for event in events]
    name, document = seen[-1]
    assert (name, document["result"]) == ("succeeded", {"text": "hello"})


async def test_the_end_of_a_task_that_was_submitted_without_waiting_is_told_at_once(
    producer: Producer, consumer: Consumer
) -> None:
    taken = []
    async with consumer.working(), httpx2.AsyncClient(base_url=producer.url, timeout=30) as http:
        for _ in range(7):
            later = (await http.post("/v1/tasks", json=ECHO | {"options": {"delay_seconds": 1}})).json()["id"]
            await http.get(f"/v1/tasks/{later}", headers={"Prefer": "wait=10"})
            [record] = await consumer.records.read([later])
            assert record is not None
            assert record.finished_at is not None
            taken.append(time.time() - record.finished_at)
    assert sorted(taken)[3] < 0.1, f"the sweep (0.5 s), not the event, ended the waits: {taken}"


async def test_a_producer_that_stops_does_not_wait_for_its_streams(producer: Producer) -> None:
    task_id = await submitted(producer)
    async with following(producer, task_id) as one, following(producer, task_id) as other:
        await anext(one)
        await anext(other)
        start = time.monotonic()
        assert await asyncio.to_thread(producer.stop) == 0
        assert time.monotonic() - start < 3
        assert [event async for event in one] == [event async for event in other] == []


async def test_a_client_that_leaves_leaves_nothing(producer: Producer) -> None:
    task_id = await submitted(producer)
    async with following(producer, task_id) as events:
        await anext(events)
        assert await waiting(producer) == 1
    async with asyncio.timeout(5):
        while await waiting(producer):  # noqa: ASYNC110 - the producer tells nobody
            await asyncio.sleep(0.05)


async def test_thousands_of_tasks_in_one_call(producer: Producer, consumer: Consumer) -> None:
    requests = [{"task": "echo", "args": {"text": str(n)}} for n in range(3000)]
    async with AsyncClient(producer.url) as client:
        jobs = await client.submit_many(requests, idempotency_key="k")
        again = await client.submit_many(requests[:1500], idempotency_key="k")
        assert [job.id for job in again] == [job.id for job in jobs[:1500]]
        async with consumer.working():
            for number in (0, 1, 1500, 2999):
                assert await jobs[number].get(timeout=60) == {"text": str(number)}
            while consumer.deliveries < 3000:  # noqa: ASYNC110 - it counts by itself
                await asyncio.sleep(0.1)
        records = await consumer.records.read([job.id for job in jobs])
    assert consumer.deliveries == 3000
    assert {record.state.value for record in records if record} == {"succeeded"}
