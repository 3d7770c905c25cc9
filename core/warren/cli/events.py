"""`warren events`.

Forbidden here: what an event is.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
import typer

from warren.cli.connection import DEFAULT_URL, Output, Shown
from warren.cli.display import say
from warren.cli.topology import settings_of_shell
from warren.client.listening import EVERY_TASK, Event, listen
from warren.settings import BrokerSettings, Settings

WIDTHS: Final = (10, 20, 12)
"""Of state, task and pool, in characters; an id is 36."""


class EventsSettings(Settings, BrokerSettings):
    """What the command is told by `WARREN_*` variables."""

    url: str = DEFAULT_URL
    """Unused here; the other commands' variable may be set in the same shell."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Tasks")(events)


def events(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Topic patterns: task.failed.* (a state), task.*.echo (a task), pool.# (hints). None: all tasks.",
        ),
    ] = None,
    output: Shown = Output.TABLE,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
) -> None:
    """Print what happens to tasks, whoever submitted them, as it happens. Ctrl-C ends it.

    Reads WARREN_BROKER_URL: events are the broker's, and best effort: what happens while nobody listens is not told.
    """
    settings = settings_of_shell(EventsSettings)
    try:
        asyncio.run(_print(settings.broker_url, patterns or [EVERY_TASK], output, count))
    except KeyboardInterrupt:
        return


async def _print(url: str, patterns: list[str], output: Output, count: int | None) -> None:
    from warren.broker.amqp import AmqpBroker  # noqa: PLC0415 - see warren.cli

    broker = AmqpBroker(url, "warren events")
    try:
        async with aclosing(listen(broker, patterns, lost=_tell)) as heard:
            left = count
            async for event in heard:
                say(_line(event, output))
                left = None if left is None else left - 1
                if left == 0:
                    break
    finally:
        await broker.close()


def _tell(reason: str) -> None:
    say(f"warren: {reason}; listening again", err=True)


def _line(event: Event, output: Output) -> str:
    if output is Output.JSON:
        return orjson.dumps({"event": event.key, **event.document}).decode()
    document = event.document
    time = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
    words = (document.get("state", event.key), document.get("name", ""), document.get("pool", ""))
    columns = " ".join(str(word).ljust(width) for word, width in zip(words, WIDTHS, strict=True))
    return f"{time} {columns} {document.get('id', '')} {_detail(document)}".rstrip()


def _detail(document: dict[str, Any]) -> str:
    """Return what there is to say beside the state: an error, how far it has come, the attempt."""
    match document:
        case {"error": {"code": str(code), "message": str(message)}}:
            return f"{code}: {' '.join(message.split())}"
        case {"progress": {"fraction": int() | float() as fraction, **more}}:
            return f"{fraction:.0%} {more.get('message') or ''}".rstrip()
        case {"attempt": int(attempt)} if attempt > 1:
            return f"attempt {attempt}"
    return ""
