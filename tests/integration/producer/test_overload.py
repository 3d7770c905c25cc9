"""Overload on real servers: 503 in time, whatever it is that cannot take more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from tests.integration.core.test_alarms import memory_alarm
from tests.integration.producer.conftest import Producer, consuming
from tests.integration.servers import Workspace, control
from warren.broker.amqp import AmqpBroker
from warren.message import decode_task
from warren.model import Manifest
from warren.objects.s3 import S3Objects
from warren.repository import Repository

ECHO = {"task": "echo", "args": {"text": "hello"}}
PREDICT = "/v1/models/iris/predict"
ROWS = {"instances": [[1.0]]}


async def publish_model(workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a model into the repository, for which predictions are accepted."""
    for name, value in workspace.objects_environment.items():
        monkeypatch.setenv(name, value)
    (folder / "model.onnx").write_bytes(b"onnx")
    repository = Repository(S3Objects(), workspace.bucket)
    manifest = Manifest(
        name="iris",
        version="1",
        file="m.onnx",
        sha256="0" * 64,
        size=4,
        framework="test",
        inputs=(),
        outputs=(),
        created_at=datetime.now(UTC),
    )
    await repository.publish(manifest, folder / "model.onnx")
    await repository.promote("iris", "1", reason="test", pool="cpu")


@asynccontextmanager
async def slow_consumer(workspace: Workspace, per_second: float) -> AsyncIterator[None]:
    """Start as many tasks per second of the pool cpu, and end none."""

    async def work() -> None:
        async with consumer.broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
            async for delivery in subscription:
                await consumer.records.claim(decode_task(delivery.message, "cpu"), "test", alone=True)
                await asyncio.sleep(1 / per_second)
                await delivery.ack()

    async with consuming(workspace) as consumer:
        working = asyncio.create_task(work())
        yield
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def wakes(broker: AmqpBroker) -> AsyncGenerator[str, None]:
    """Yield the pools for which the autoscaler is given a hint."""
    async with broker.listen(["pool.wake.*"]) as subscription:
        yield ""
        async for event in subscription:
            yield event.message.type or ""


async def test_predictions_that_would_be_late_are_refused_and_the_autoscaler_hears_of_it(
    producer: Producer, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_model(workspace, tmp_path, monkeypatch)
    operator = AmqpBroker(workspace.broker_url("warren-operator"))
    http = httpx2.AsyncClient(base_url=producer.url, timeout=30)
    async with http, slow_consumer(workspace, per_second=5):
        await asyncio.gather(*(http.post("/v1/tasks", json=ECHO) for _ in range(300)))
        await asyncio.sleep(5)
        [cpu] = [pool for pool in (await http.get("/v1/pools")).json()["pools"] if pool["name"] == "cpu"]
        assert 30 < cpu["estimated_wait_seconds"] < 90
        hints = wakes(operator)
        await anext(hints)
        start = time.monotonic()
        refused = await http.post(PREDICT, json=ROWS)
        assert time.monotonic() - start < 0.5
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 10
        assert await asyncio.wait_for(anext(hints), 5) == "pool.wake.cpu"
        await hints.aclose()
        assert (await http.post(PREDICT, json=ROWS, headers={"Prefer": "respond-async"})).status_code == 202
    await operator.close()


async def test_an_alarm_of_the_broker_is_503_in_time(producer: Producer, workspace: Workspace) -> None:
    async with httpx2.AsyncClient(base_url=producer.url, timeout=30) as http:
        with memory_alarm(workspace):
            taken = []
            for _ in range(3):
                start = time.monotonic()
                response = await http.post("/v1/tasks", json=ECHO)
                taken.append(time.monotonic() - start)
                assert (response.status_code, response.json()["code"]) == (503, "broker-unavailable")
                assert response.headers["Retry-After"] == "5"
        assert taken[0] < 6
        assert max(taken[1:]) < 0.5
        give_up = time.monotonic() + 10
        while (await http.post("/v1/tasks", json=ECHO)).status_code != 202:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.1)


async def test_a_full_queue_is_503_at_once(producer: Producer, workspace: Workspace) -> None:
    limit = ["set_policy", "-p", workspace.name, "--priority", "10", "limit", r"^warren\.tasks\.cpu$"]
    control(workspace.servers, *limit, '{"max-length": 3, "delivery-limit": 1000}', "--apply-to", "queues")
    async with httpx2.AsyncClient(base_url=producer.url, timeout=30) as http:
        give_up = time.monotonic() + 20
        while (await http.post("/v1/tasks", json=ECHO)).status_code == 202:
            assert time.monotonic() < give_up
        start = time.monotonic()
        response = await http.post("/v1/tasks", json=ECHO)
        assert time.monotonic() - start < 0.5
        assert (response.status_code, response.json()["code"]) == (503, "broker-unavailable")
        assert "full" in response.json()["detail"]
