"""`warren webhooks`: what it asks for and prints."""

from __future__ import annotations

import json

import httpx2
import pytest
from typer.testing import CliRunner, Result

from tests.unit.gateway import answered_by
from warren.cli import app
from warren.webhook import checked_secret

ATTEMPT = {"at": "2026-11-21T08:00:00Z", "milliseconds": 41, "status": 500, "error": "the receiver answered 500"}
WEBHOOK = {"id": "0196", "status": "pending", "type": "task.failed", "webhook_id": "0196_failed", "attempts": [ATTEMPT]}


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[httpx2.Request]:
    """What was asked of an API that answers with a webhook."""
    asked: list[httpx2.Request] = []

    def api(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json=WEBHOOK)

    answered_by(api, monkeypatch)
    return asked


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["webhooks", *arguments])


@pytest.mark.parametrize(("command", "method"), [("list", "GET"), ("redeliver", "POST")])
def test_a_webhook_is_shown_with_its_attempts(command: str, method: str, requests: list[httpx2.Request]) -> None:
    shown = run(command, "0196")
    assert shown.exit_code == 0, shown.output
    assert [(request.method, request.url.path) for request in requests] == [(method, "/v1/tasks/0196/deliveries")]
    assert all(word in shown.output for word in ("pending", "0196_failed", "41", "the receiver answered 500"))
    assert json.loads(run(command, "0196", "-o", "json").output) == WEBHOOK


@pytest.mark.parametrize(
    ("code", "status", "expected"), [("no-webhook", 409, 3), ("not-ended", 409, 1), ("task-not-found", 404, 3)]
)
@pytest.mark.parametrize("command", ["list", "redeliver"])
def test_without_a_webhook_it_ends_as_without_a_task(
    command: str, code: str, status: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"type": f"urn:warren:problem:{code}", "title": "t", "status": status, "code": code, "detail": "why not"}
    headers = {"Content-Type": "application/problem+json"}
    answered_by(lambda _: httpx2.Response(status, json=body, headers=headers), monkeypatch)
    shown = run(command, "0196")
    assert (shown.exit_code, shown.stderr) == (expected, "warren: why not\n")


def test_a_secret_is_made() -> None:
    first, second = run("secret").output.strip(), run("secret").output.strip()
    assert first != second
    assert checked_secret(first)
