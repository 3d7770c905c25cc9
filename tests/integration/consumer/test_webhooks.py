"""Webhooks by a system pool on real servers, one that is killed between the answer and its note among them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integration.consumer.conftest import apply_topology
from tests.integration.consumer.crew import Crew
from tests.integration.servers import Workspace
from tests.receiver import Received, Receiver, response
from warren.record import Outcome, State
from warren.records.redis import WEBHOOKS, RedisRecords
from warren.tasks import Task, TaskOptions
from warren.webhook import WebhookState, new_secret, secret_key, signature

START_SECONDS = 60
"""Of a process on a machine with other things to do."""


@pytest.fixture
def crew(workspace: Workspace, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(workspace, tmp_path)
    yield crew
    crew.kill_all()


async def test_a_system_pool_killed_before_it_noted_the_answer_tells_again_under_the_same_id(
    crew: Crew, workspace: Workspace
) -> None:
    await apply_topology(workspace)
    secret, records = new_secret(), RedisRecords(workspace.records_url)
    settings = {"WARREN_CALLBACK_ALLOW": "127.0.0.1", "WARREN_WEBHOOK_SECRETS": secret}
    taken = asyncio.Event()

    async def kill_then_answer(_: Received, writer: asyncio.StreamWriter) -> None:
        receiver.speak = None
        system.send_signal(signal.SIGKILL)
        system.wait()
        writer.write(response(200))
        taken.set()

    async with Receiver(speak=kill_then_answer).listening() as receiver:
        task = Task("echo", "cpu", options=TaskOptions.model_validate({"callback_url": receiver.url}))
        await records.end(task, Outcome(State.SUCCEEDED, result=b"1", result_type="application/json"))
        system = crew.start("system", **settings)
        async with asyncio.timeout(START_SECONDS):
            await taken.wait()
        noted = await records.webhooks.read(task.id)
        assert noted is not None
        assert (noted.state, noted.attempts) == (WebhookState.PENDING, ())
        async with Redis.from_url(workspace.records_url) as store:
            await store.zadd(WEBHOOKS, {task.id: 0})  # the claim of the dead one has run out
        again = crew.start("system", **settings)
        async with asyncio.timeout(START_SECONDS):
            while (noted := await records.webhooks.read(task.id)) is None or noted.state is WebhookState.PENDING:
                assert again.poll() is None, crew.log(again)
                await asyncio.sleep(0.1)
    await records.close()
    assert noted.state is WebhookState.DELIVERED
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"{task.id}_succeeded"
    at = int(second.headers["webhook-timestamp"])
    expected = signature([secret_key(secret)], f"{task.id}_succeeded", at, second.body)
    assert second.headers["webhook-signature"] == expected
    assert secret not in crew.log(system) + crew.log(again)
