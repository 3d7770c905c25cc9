"""The client and the producer understand each other."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer, fault
from warren import AsyncClient
from warren.client.web import WebGateway
from warren.errors import IdempotencyConflictError, TaskCrashedError, TaskNotFoundError, UnroutableError
from warren.record import State


@pytest.fixture
async def client(api: httpx2.AsyncClient) -> AsyncIterator[AsyncClient]:
    """A client of the producer."""
    async with AsyncClient.over(WebGateway("http://api", patience=0.0, transport=api._transport)) as connected:  # noqa: SLF001
        yield connected


@pytest.mark.usefixtures("hurry")
async def test_a_task_from_submission_to_result(client: AsyncClient, house: House) -> None:
    job = await client.submit("echo", text="hello")
    assert await job.status() is State.QUEUED
    result, task = await asyncio.gather(job.get(timeout=5), house.consume("cpu", answer(b'"hello"')))
    assert (result, task.id) == ("hello", job.id)


async def test_a_failure_comes_back_by_its_name(client: AsyncClient, house: House) -> None:
    job = await client.submit("echo", text="hello")
    await house.consume("cpu", fault("exception", "boom"))
    with pytest.raises(TaskCrashedError, match="boom"):
        await job.get()


async def test_faults_of_the_api_come_back_by_their_names(client: AsyncClient, house: House) -> None:
    await client.submit("echo", idempotency_key="k", text="a")
    with pytest.raises(IdempotencyConflictError):
        await client.submit("echo", idempotency_key="k", text="b")
    with pytest.raises(TaskNotFoundError):
        await client.job("nope").cancel()
    del house.broker.queues["warren.tasks.cpu"]
    with pytest.raises(UnroutableError, match="topology apply"):
        await client.submit("echo", text="c")


async def test_a_prediction(client: AsyncClient, house: House, tmp_path: Path) -> None:
    await house.publish_model(tmp_path)
    body = b'{"model":"iris","version":"1","predictions":[{"value":1.5}]}'
    response, _ = await asyncio.gather(client.predict("iris", [[1, 2]]), house.consume("cpu", answer(body)))
    assert response.predictions[0].value == 1.5
