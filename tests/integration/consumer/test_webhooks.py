"""Webhooks by a system pool on real servers, one that is killed between the answer and its note among them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from standardwebhooks.webhooks import Webhook

from tests.integration.consumer.conftest import apply_topology
from tests.integration.consumer.crew import Crew
from tests.integration.servers import Workspace
from tests.receiver import Received, Receiver, response
from warren.keys import Scope, new_key
from warren.record import Outcome, State
from warren.records.redis import WEBHOOKS
from warren.tasks import Task, TaskOptions
from warren.webhook import WebhookState, new_secret

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
    secret, records = new_secret(), workspace.records()
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
    assert verified(secret, second)["data"]["id"] == task.id
    assert secret not in crew.log(system) + crew.log(again)


async def test_a_task_of_a_key_is_signed_by_that_keys_secrets_as_they_stand_now(
    crew: Crew, workspace: Workspace, tmp_path: Path
) -> None:
    await apply_topology(workspace)
    general, records = new_secret(), workspace.records()
    folder = tmp_path / "keys"
    folder.mkdir()
    old, new = (new_key("ci", (Scope.SUBMIT,))[1] for _ in range(2))
    (folder / old.file).write_text(old.text())
    settings = {"WARREN_CALLBACK_ALLOW": "127.0.0.1", "WARREN_WEBHOOK_SECRETS": general, "WARREN_KEYS_DIR": str(folder)}
    system = crew.start("system", **settings)
    async with Receiver().listening() as receiver:

        async def told(caller: str | None) -> Received:
            options = TaskOptions.model_validate({"callback_url": receiver.url})
            await records.end(Task("echo", "cpu", options=options, caller=caller), Outcome(State.SUCCEEDED))
            begun = len(receiver.received)
            async with asyncio.timeout(START_SECONDS):
                while len(receiver.received) == begun:
                    assert system.poll() is None, crew.log(system)
                    await asyncio.sleep(0.05)
            return receiver.received[-1]

        first, nobodys = await told("ci"), await told(None)
        (folder / new.file).write_text(new.text())
        (folder / old.file).unlink()
        async with asyncio.timeout(START_SECONDS):
            while new.file not in crew.log(system):  # noqa: ASYNC110 - another process says it
                await asyncio.sleep(0.1)
        later = await told("ci")
    await records.close()
    for request, secret in ((first, old.webhook_secrets[0]), (nobodys, general), (later, new.webhook_secrets[0])):
        assert verified(secret, request)["type"] == "task.succeeded"
        assert len(request.headers["webhook-signature"].split()) == 1
    assert "whsec_" not in crew.log(system)


def verified(secret: str, request: Received) -> dict[str, Any]:
    """Return what a receiver is told, once its library has checked who says so."""
    told: dict[str, Any] = Webhook(secret).verify(request.body, dict(request.headers))
    return told
