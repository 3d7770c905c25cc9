"""`warren keys create`: API keys, and the entries by which the producers and the system pool know them.

Forbidden here: what a key is. That is `warren.keys`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from pydantic import ValidationError

from warren.cli.connection import Output, Shown
from warren.cli.display import show_json
from warren.client.problem import InvalidFieldsError
from warren.errors import InvalidRequestError
from warren.keys import KeyEntry, Scope, new_key

SECRET: Final = "warren-keys"  # noqa: S105 - the name of a Secret

app = typer.Typer(no_args_is_help=True, help="API keys: who may call.")


@app.callback()
def _group() -> None:
    """Keep the command's name although it is the only one."""


@app.command()
def create(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; tasks belong to the name.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it is good for; repeatable. Unless given, submit and read. admin is all of it."),
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(help="How fast it may call one producer, if not as fast as all.")
    ] = None,
    max_body_bytes: Annotated[int | None, typer.Option(help="The largest request, if less than for all.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Write the entry into this folder, WARREN_KEYS_DIR of producer and system pool.")
    ] = None,
    secret: Annotated[str, typer.Option(help="The Secret that the producers and the system pool read.")] = SECRET,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")] = "warren",
    output: Shown = Output.TABLE,
) -> None:
    """Make a key, print it this once, and the entry by which the producers know it.

    Nothing but the entry is kept anywhere, and the key cannot be had from it. With a key that submits comes a secret by
    which webhooks of its tasks are signed. To replace a key, make another one of the same name, use it, let receivers
    know its secret, then take the entry of the old one away.
    """
    key, entry = _new(name, tuple(scope or (Scope.SUBMIT, Scope.READ)), requests_per_second, max_body_bytes)
    if folder is not None:
        _write(folder / entry.file, entry.text())
    if output is Output.JSON:
        patch = {"stringData": {entry.file: entry.text()}}
        show_json({"key": key, "file": entry.file, "entry": orjson.loads(entry.text()), "patch": patch})
    elif folder is not None:
        typer.echo(key)
        for signing in entry.webhook_secrets:
            typer.echo(f"webhooks of {entry.name} are signed with {signing}", err=True)
    else:
        typer.echo(_told(key, entry, f"kubectl -n {shlex.quote(namespace)} patch secret {shlex.quote(secret)}"))


def _new(name: str, scopes: tuple[Scope, ...], rate: float | None, size: int | None) -> tuple[str, KeyEntry]:
    try:
        return new_key(name, scopes, requests_per_second=rate, max_body_bytes=size)
    except ValidationError as error:
        raise InvalidFieldsError.of(error) from error


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all; a reader passes names over that begin with a dot.

    Others than its owner and group cannot read it: it holds a webhook secret.
    """
    new = path.with_name(f".{path.name}")
    try:
        new.touch(0o640)
        new.write_text(text)
        new.replace(path)
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}") from error


def _told(key: str, entry: KeyEntry, command: str) -> str:
    add = orjson.dumps({"stringData": {entry.file: entry.text()}}).decode()
    take = orjson.dumps({"data": {entry.file: None}}).decode()
    signing = "".join(f"  {secret}\n\n" for secret in entry.webhook_secrets)
    receivers = f"What webhooks of its tasks are signed with, for their receivers:\n\n{signing}" if signing else ""
    return f"""\
The key of {entry.name}, shown this once (scopes: {" ".join(entry.scopes)}):

  {key}

{receivers}Its entry, from which the key cannot be had, for the Secret that the producers and the system pool read:

  {command} -p {shlex.quote(add)}

To refuse it again:

  {command} -p {shlex.quote(take)}"""
