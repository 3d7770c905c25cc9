"""The broker's accounts and topology from the command line."""

import base64
import hashlib
import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from warren.cli import app
from warren.definitions import definitions, hash_password
from warren.errors import SettingsError
from warren.topology import users

BROKER = {
    "WARREN_BROKER_URL": "amqp://nobody:secret@127.0.0.1:1/",
    "WARREN_BROKER_MANAGEMENT_URL": "http://127.0.0.1:1",
}


def _matches(hashed: str, password: str) -> bool:
    raw = base64.b64decode(hashed)
    return hashlib.sha256(raw[:4] + password.encode()).digest() == raw[4:]


def test_the_hash_is_rabbitmqs() -> None:
    # The example of RabbitMQ's guide on passwords: salt 908DC60A, password "test12".
    assert hash_password("test12", bytes.fromhex("908DC60A")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_every_hash_has_a_salt_of_its_own() -> None:
    assert hash_password("x") != hash_password("x")


def test_definitions_hold_all_accounts_and_nothing_else(tmp_path: Path) -> None:
    for user in users():
        (tmp_path / user.name).write_text(f"of {user.name}\n")
    out = tmp_path / "definitions.json"
    result = CliRunner().invoke(app, ["definitions", "--passwords", str(tmp_path), "--out", str(out), "--vhost", "ml"])
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(out.read_text())
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert {user["name"] for user in document["users"]} == {user.name for user in users()}
    assert all(_matches(user["password_hash"], f"of {user['name']}") for user in document["users"])
    assert {permission["vhost"] for permission in document["permissions"]} == {"ml"}
    assert document["vhosts"] == [{"name": "ml"}]
    assert set(document) == {"users", "vhosts", "permissions"}


def test_a_missing_password_file_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["definitions", "--passwords", str(tmp_path)])
    assert result.exit_code == 2
    assert str(tmp_path / users()[0].name) in result.stderr


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(SettingsError, match="warren-producer"):
        definitions(users(), {user.name: "" if user.name == "warren-producer" else "x" for user in users()})


def test_hash_password_reads_standard_input() -> None:
    result = CliRunner().invoke(app, ["hash-password"], input="secret\n")
    assert _matches(result.stdout.strip(), "secret")
    assert CliRunner().invoke(app, ["hash-password"], input="\n").exit_code == 2


def test_topology_dry_run_needs_no_broker() -> None:
    environ = BROKER | {"WARREN_POOLS": "cpu mine:train"}
    result = CliRunner().invoke(app, ["topology", "apply", "--dry-run"], env=environ)
    assert result.exit_code == 0
    assert "missing queue warren.tasks.mine" in result.stdout
    assert "does not answer" in result.stderr
    assert "warren.tasks.train-cpu" not in result.stdout


def test_topology_waits_for_the_broker_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren.cli.topology.RETRY_SECONDS", 0.2)
    result = CliRunner().invoke(app, ["topology", "apply", "--timeout", "0.5"], env=BROKER)
    assert result.exit_code == 5
    assert "waiting for the broker" in result.stderr
    assert "secret" not in result.stderr


def test_it_runs_in_a_components_pod_and_still_names_a_misspelt_variable() -> None:
    of_a_producer = BROKER | {"WARREN_HOST": "0.0.0.0", "WARREN_PORT": "8000"}  # noqa: S104 - as the chart sets it
    assert CliRunner().invoke(app, ["topology", "apply", "--dry-run"], env=of_a_producer).exit_code == 0
    result = CliRunner().invoke(app, ["pools", "list"], env=of_a_producer | {"WARREN_POOL_NAMES": "cpu"})
    assert result.exit_code == 2
    assert "WARREN_POOL_NAMES: unknown" in result.stderr


def test_a_missing_setting_is_named() -> None:
    result = CliRunner().invoke(app, ["topology", "apply"], env={"WARREN_POOLS": "cpu"})
    assert result.exit_code == 2
    assert "WARREN_BROKER_URL: required" in result.stderr
