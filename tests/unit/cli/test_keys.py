"""`warren keys create`, and how clients carry a key."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from warren import AsyncClient, Client
from warren.cli import app
from warren.client.web import WebGateway
from warren.errors import ForbiddenError, InvalidRequestError, TaskNotFoundError, UnauthorizedError
from warren.keyring import Keyring
from warren.keys import KeyEntry, Scope, new_key


def created(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["keys", "create", *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_it_prints_the_key_once_and_the_commands_that_let_it_in_and_refuse_it() -> None:
    told = created("ci", "--scope", "read", "-n", "ml", "--secret", "mine")
    [key] = [line.strip() for line in told.splitlines() if line.startswith("  warren_")]
    add, take = [shlex.split(line) for line in told.splitlines() if line.startswith("  kubectl")]
    assert add[:-1] == take[:-1] == ["kubectl", "-n", "ml", "patch", "secret", "mine", "-p"]
    [(file, text)] = json.loads(add[-1])["stringData"].items()
    entry = KeyEntry.model_validate_json(text)
    assert entry.fits(key)
    assert (entry.name, entry.scopes, file) == ("ci", (Scope.READ,), entry.file)
    assert json.loads(take[-1]) == {"data": {file: None}}
    assert told.count(key.split("_", 2)[2]) == 1
    assert "whsec_" not in told, "there are no webhooks of a key that only reads"


def test_what_webhooks_of_its_tasks_are_signed_with_comes_with_it() -> None:
    told = created("ci")
    [secret] = [line.strip() for line in told.splitlines() if line.startswith("  whsec_")]
    [(_, text)] = json.loads(shlex.split(next(line for line in told.splitlines() if "kubectl" in line))[-1])[
        "stringData"
    ].items()
    assert KeyEntry.model_validate_json(text).webhook_secrets == (secret,)
    assert secret not in repr(KeyEntry.model_validate_json(text))


def test_for_programs_it_is_json() -> None:
    document = json.loads(created("ci", "--requests-per-second", "5", "--max-body-bytes", "4096", "-o", "json"))
    entry = KeyEntry.model_validate(document["entry"])
    assert entry.fits(document["key"])
    assert (entry.scopes, entry.requests_per_second, entry.max_body_bytes) == ((Scope.SUBMIT, Scope.READ), 5, 4096)
    assert document["patch"] == {"stringData": {document["file"]: entry.text()}}


async def test_a_folders_entry_is_what_a_producer_reads(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["keys", "create", "ci", "--folder", str(tmp_path)])
    key = result.stdout.strip()
    keyring = Keyring(tmp_path)
    await keyring.read()
    entry = keyring.find(key)
    assert entry is not None
    assert os.listdir(tmp_path) == [entry.file]  # noqa: PTH208
    assert not (tmp_path / entry.file).stat().st_mode & 0o007, "it holds a secret"
    assert result.stderr.split()[-1:] == [*entry.webhook_secrets]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Ci"], "name"),
        (["ci", "--max-body-bytes", "1"], "max_body_bytes"),
        (["ci", "--folder", "/nowhere/at/all"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["keys", "create", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def _gateway(answers: list[httpx2.Response], seen: list[httpx2.Request], **more: str) -> WebGateway:
    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answers.pop(0)

    return WebGateway("http://api", patience=2.0, transport=httpx2.MockTransport(answer), **more)


def _problem(status: int, code: str, **headers: str) -> httpx2.Response:
    body = {"type": "x", "title": "x", "status": status, "code": code, "detail": "why"}
    return httpx2.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


async def test_a_client_carries_the_key_that_it_is_given_or_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (mine, _), (other, _) = new_key("a", (Scope.READ,)), new_key("b", (Scope.READ,))
    seen: list[httpx2.Request] = []
    monkeypatch.setenv("WARREN_API_KEY", other)
    for more in ({}, {"api_key": mine}, {"api_key": ""}):
        async with AsyncClient.over(_gateway([_problem(404, "task-not-found")], seen, **more)) as client:
            with pytest.raises(TaskNotFoundError, match="why"):
                await client.job("x").status()
    assert [request.headers.get("Authorization") for request in seen] == [f"Bearer {other}", f"Bearer {mine}", None]


@pytest.mark.usefixtures("hurry")
async def test_too_many_requests_are_made_again_and_refusals_are_not() -> None:
    seen: list[httpx2.Request] = []
    task = {"id": "x", "task": "echo", "pool": "cpu", "status": "queued"}
    answers = [_problem(429, "rate-limited", **{"Retry-After": "1"}), httpx2.Response(200, json=task)]
    async with AsyncClient.over(_gateway(answers, seen)) as client:
        assert await client.job("x").status() == "queued"
    assert len(seen) == 2
    for status, code, kind in ((401, "unauthorized", UnauthorizedError), (403, "forbidden", ForbiddenError)):
        seen.clear()
        async with AsyncClient.over(_gateway([_problem(status, code)], seen)) as client:
            with pytest.raises(kind, match="why"):
                await client.job("x").status()
        assert len(seen) == 1


def test_what_is_no_key_is_refused_without_telling_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("hunter2", "Bearer warren_1f2e3d4c_x", "clé"):
        with pytest.raises(InvalidRequestError, match="no API key") as raised:
            Client("http://127.0.0.1:1", api_key=wrong)
        assert wrong not in raised.value.detail
    with pytest.raises(InvalidRequestError, match="is for the API"):
        Client("amqp://127.0.0.1:1", api_key="x", records="redis://127.0.0.1:1")
    monkeypatch.setenv("WARREN_API_KEY", "hunter2")
    result = CliRunner().invoke(app, ["status", "x"])
    assert result.exit_code == 2
    assert "hunter2" not in result.stderr
