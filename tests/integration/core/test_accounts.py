"""What `warren definitions` and `warren hash-password` print, in a broker that takes it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from typer.testing import CliRunner

from tests.integration.servers import Workspace
from tests.pages import block, put, typed
from tools.stack import web
from tools.stack.serverset import ADMINISTRATOR
from warren.broker.amqp import AmqpBroker
from warren.cli import app
from warren.errors import BrokerUnavailableError
from warren.topology import users

NAMES = [user.name for user in users()]


def generated(folder: Path, vhost: str, passwords: dict[str, str]) -> object:
    """Return what the command makes of a folder with these passwords."""
    for name, password in passwords.items():
        (folder / name).write_text(f"{password}\n")
    done = CliRunner().invoke(app, ["definitions", "--passwords", str(folder), "--vhost", vhost])
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def password_of(workspace: Workspace, name: str) -> str:
    return unquote(urlsplit(workspace.broker_url(name)).password or "")


def with_password(url: str, password: str, user: str | None = None) -> str:
    parts = urlsplit(url)
    netloc = f"{user or parts.username}:{quote(password, safe='')}@{parts.hostname}:{parts.port}"
    return parts._replace(netloc=netloc).geturl()


@pytest.fixture(name="broker")
def _broker(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Give a broker whose accounts may be changed; afterwards each has again what the other tests know."""
    before = {name: password_of(workspace, name) for name in NAMES}
    yield workspace
    take(workspace, tmp_path_factory.mktemp("before"), before)


def take(workspace: Workspace, folder: Path, passwords: dict[str, str]) -> None:
    definitions = generated(folder, workspace.name, passwords)
    assert web.call("POST", f"{workspace.management_url()}api/definitions", definitions).status == 204


@pytest.fixture(name="own")
def _own(broker: Workspace, tmp_path: Path) -> dict[str, str]:
    """Give passwords that were imported for all accounts."""
    passwords = {name: f"of {name}: ü/%@" for name in NAMES}
    take(broker, tmp_path, passwords)
    return passwords


@pytest.mark.parametrize("name", NAMES)
async def test_each_account_of_imported_definitions_logs_in_by_its_password_alone(
    workspace: Workspace, own: dict[str, str], name: str
) -> None:
    url = workspace.broker_url(name)
    broker = AmqpBroker(with_password(url, own[name]), "test")
    await broker.open()
    await broker.close()
    for wrong in (url, with_password(url, own[name] + "x"), with_password(url, own[NAMES[NAMES.index(name) - 1]])):
        stranger = AmqpBroker(wrong, "test")
        with pytest.raises(BrokerUnavailableError, match="refuses the credentials"):
            await stranger.open()
        await stranger.close()


def test_a_hashed_password_is_the_password(workspace: Workspace) -> None:
    known = CliRunner().invoke(app, ["hash-password"], input="one's own: ü/%@\n").stdout.strip()
    administration = workspace.management_url()
    account = {"password_hash": known, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "management"}
    assert web.call("PUT", f"{administration}api/users/somebody", account).status in {201, 204}
    try:
        for password, status in (("one's own: ü/%@", 200), ("another", 401), (known, 401)):
            url = with_password(administration, password, "somebody")
            assert web.call("GET", f"{url}api/whoami").status == status
    finally:
        web.call("DELETE", f"{administration}api/users/somebody")


def test_the_commands_of_the_docs_make_warrens_accounts(broker: Workspace, tmp_path: Path) -> None:
    environment = shell(broker, tmp_path)
    made, _, _ = block("docs/install.md", "openssl rand").partition("kubectl ")
    _, _, administration = broker.management_url().rpartition("@")
    account = f"{ADMINISTRATOR.name}:{password_of(broker, ADMINISTRATOR.name)}"
    imports = put(
        block("docs/install.md", "api/definitions"),
        ("--vhost / ", f"--vhost {broker.name} "),
        ("admin:PASSWORD", account),
        ("https://rabbit.example.com:15671/", f"http://{administration}"),
    )
    done = typed(f"{made}{imports}", environment, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for user in users():
        asyncio.run(log_in(broker, user.name, (tmp_path / "passwords" / user.name).read_text()))
        assert rights(broker, user.name) == (user.configure, user.write, user.read)


@pytest.mark.parametrize("name", ["mason", "carver"])
def test_the_commands_of_the_docs_make_an_account_of_others(workspace: Workspace, tmp_path: Path, name: str) -> None:
    """Of a client and of a worker in another language."""
    text = put(block("docs/protocol.md", f"add_user {name}"), ("-p / ", f"-p {workspace.name} "))
    try:
        done = typed(text, shell(workspace, tmp_path), given="chisel\n")
        assert done.returncode == 0, done.stdout + done.stderr
        assert all(right in text for right in rights(workspace, name))
        asyncio.run(log_in(workspace, name, "chisel"))
    finally:
        web.call("DELETE", f"{workspace.management_url()}api/users/{name}")


async def log_in(workspace: Workspace, name: str, password: str) -> None:
    """Connect; raise `BrokerUnavailableError` where the password is another."""
    broker = AmqpBroker(with_password(workspace.broker_url(), password, name), "test")
    await broker.open()
    await broker.close()


def shell(workspace: Workspace, folder: Path) -> dict[str, str]:
    """Return the environment of a shell that has `warren`, and the `rabbitmqctl` of the workspace's broker."""
    command = workspace.servers.rabbitmq.spec.control()
    arguments = [argument for argument in command.arguments if argument != "--quiet"]
    variables = [f"{name}={value}" for name, value in command.environment.items()]
    program = folder / "bin" / "rabbitmqctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.join(["env", "-i", *variables, *arguments])} "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def rights(workspace: Workspace, name: str) -> tuple[str, str, str]:
    """Return what an account may configure, write and read."""
    answer = web.call("GET", f"{workspace.management_url()}api/permissions/{workspace.name}/{name}")
    known = json.loads(answer.body)
    return known["configure"], known["write"], known["read"]
