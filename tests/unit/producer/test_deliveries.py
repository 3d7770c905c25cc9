"""`/v1/tasks/{id}/deliveries`, and what a submitter may ask of a callback."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer
from warren import AsyncClient
from warren.client.web import WebGateway
from warren.errors import NotEndedError, NoWebhookError, TaskNotFoundError
from warren.webhook import Delivery, WebhookState

URL = "https://receiver.example/hook"


async def submitted(api: httpx2.AsyncClient, **options: Any) -> str:
    response = await api.post("/v1/tasks", json={"task": "echo", "options": options})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def test_the_log_of_a_webhook_from_its_submission_to_its_redelivery(
    api: httpx2.AsyncClient, house: House
) -> None:
    task_id = await submitted(api, callback_url=URL)
    path = f"/v1/tasks/{task_id}/deliveries"
    waiting = await api.get(path)
    assert (waiting.status_code, waiting.json()) == (200, {"id": task_id, "status": "waiting", "attempts": []})
    early = await api.post(path)
    assert (early.status_code, early.json()["code"]) == (409, "not-ended")
    await house.consume("cpu", answer(b"1"))
    pending = (await api.get(path)).json()
    assert (pending["status"], pending["type"], pending["webhook_id"]) == (
        "pending",
        "task.succeeded",
        f"{task_id}_succeeded",
    )
    [due] = (await house.records.webhooks.take(limit=5)).taken
    refusal = Delivery(at=1_750_000_000.5, milliseconds=41, status=410, error="the receiver answered 410")
    await house.records.webhooks.note(due, refusal, again_seconds=None, state=WebhookState.STOPPED)
    over = (await api.get(path)).json()
    assert over["status"] == "stopped"
    assert "next_attempt_at" not in over
    assert over["attempts"] == [
        {"at": "2025-06-15T15:06:40.500000Z", "milliseconds": 41, "status": 410, "error": "the receiver answered 410"}
    ]
    again = await api.post(path)
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert [webhook.task_id for webhook in (await house.records.webhooks.take(limit=5)).taken] == [task_id]


async def test_without_a_webhook_there_is_no_log(api: httpx2.AsyncClient) -> None:
    task_id = await submitted(api)
    for method in ("GET", "POST"):
        missing = await api.request(method, f"/v1/tasks/{task_id}/deliveries")
        assert (missing.status_code, missing.json()["code"]) == (409, "no-webhook")
        unknown = await api.request(method, "/v1/tasks/nobody/deliveries")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "task-not-found")


async def test_the_clients_read_it_and_ask_for_it_again(api: httpx2.AsyncClient, house: House) -> None:
    gateway = WebGateway("http://api", patience=1, transport=api._transport)  # noqa: SLF001 - the producer under test
    async with AsyncClient.over(gateway) as client:
        job = await client.submit("echo", options={"callback_url": URL, "callback_events": ["succeeded"]})
        assert (await job.deliveries()).status is WebhookState.WAITING
        with pytest.raises(NotEndedError):
            await job.redeliver()
        await house.consume("cpu", answer(b"1"))
        assert (await job.redeliver()).status is WebhookState.PENDING
        plain = await client.submit("echo")
        with pytest.raises(NoWebhookError):
            await plain.deliveries()
        with pytest.raises(TaskNotFoundError):
            await client.job("nobody").deliveries()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"callback_events": ["succeded"]}, "options.callback_events.0"),
        ({"callback_events": ["started"]}, "options.callback_events.0"),
        ({"callback_events": []}, "options.callback_events"),
        ({"callback_events": ["failed"] * 5}, "options.callback_events"),
        ({"callback_url": "ftp://receiver.example/"}, "options.callback_url"),
        ({"callback_url": "https://user:pass@receiver.example/"}, "options.callback_url"),
    ],
)
async def test_a_callback_that_cannot_be_is_refused_at_once(
    api: httpx2.AsyncClient, options: dict[str, Any], field: str
) -> None:
    response = await api.post("/v1/tasks", json={"task": "echo", "options": {"callback_url": URL, **options}})
    assert response.status_code == 422
    assert [problem["field"] for problem in response.json()["errors"]] == [field]
    assert "user:pass" not in response.text
