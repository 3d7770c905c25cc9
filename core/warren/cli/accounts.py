"""`warren definitions` and `warren hash-password`: the broker's accounts, for those who run a broker of their own.

Forbidden here: which accounts there are. That is `warren.topology.users`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from warren.cli.values import file_bytes
from warren.definitions import definitions, hash_password
from warren.errors import InvalidRequestError
from warren.topology import users

PANEL = "Setting up"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("definitions", rich_help_panel=PANEL)(write_definitions)
    app.command("hash-password", rich_help_panel=PANEL)(print_hash)


def write_definitions(
    passwords: Annotated[
        Path,
        typer.Option(
            help="A folder with one file per account, named after it, that holds its password "
            f"({', '.join(user.name for user in users())})."
        ),
    ],
    vhost: Annotated[str, typer.Option(help="The virtual host.")] = "/",
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output unless given.")] = None,
) -> None:
    """Print RabbitMQ definitions: Warren's accounts with hashed passwords and the least rights, and no guest.

    Load them with RabbitMQ's setting load_definitions, or through its management API (docs/install.md).
    """
    known = {user.name: _password(passwords / user.name) for user in users()}
    document = orjson.dumps(definitions(users(), known, vhost), option=orjson.OPT_INDENT_2)
    if out is None:
        typer.echo(document.decode())
        return
    out.touch(mode=0o600)
    out.write_bytes(document)


def print_hash() -> None:
    """Print RabbitMQ's password_hash (salted SHA-256) of a password, which is asked for or read from standard input."""
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise InvalidRequestError("the password is empty")
    typer.echo(hash_password(password))


def _password(path: Path) -> str:
    return file_bytes(path).decode().rstrip("\r\n")
