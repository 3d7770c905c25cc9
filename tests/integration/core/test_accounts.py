"""What `warren definitions` and `warren hash-password` print, in a broker that takes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from typer.testing import CliRunner

from tests.integration.servers import Workspace
from tools.stack import web
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


@pytest.fixture(name="own")
def _own(workspace: Workspace, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give passwords that were imported for all accounts; afterwards each has again what the other tests know."""
    before = {name: password_of(workspace, name) for name in NAMES}
    passwords = {name: f"of {name}: ü/%@" for name in NAMES}
    imported = f"{workspace.management_url()}api/definitions"
    try:
        assert web.call("POST", imported, generated(tmp_path, workspace.name, passwords)).status == 204
        yield passwords
    finally:
        assert web.call("POST", imported, generated(tmp_path, workspace.name, before)).status == 204


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
