"""The options that every command which talks to the API has.

Forbidden here: commands.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from warren.client import Client

DEFAULT_URL: Final = "http://127.0.0.1:17800"
"""Where `make run` serves the API."""

PATIENCE_SECONDS: Final = 5.0


class Output(StrEnum):
    """How an answer is shown."""

    TABLE = "table"
    JSON = "json"


Url = Annotated[str, typer.Option(envvar="WARREN_URL", help="The API's address.", show_default=True)]
Shown = Annotated[Output, typer.Option("--output", "-o", help="A table for people, or JSON for programs.")]


def connect(url: str) -> Client:
    """Return a client of the API, which gives up sooner than a program's: somebody is watching."""
    return Client(url, patience=PATIENCE_SECONDS)
