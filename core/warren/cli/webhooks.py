"""`warren webhooks list`, `redeliver`, `secret`.

Forbidden here: sending webhooks.
"""

from __future__ import annotations

import typer
from pydantic_core import from_json
from rich.console import Console
from rich.table import Table

from warren.cli.connection import DEFAULT_URL, Output, Shown, Url, connect
from warren.cli.display import show_json, words
from warren.cli.tasks import TaskId
from warren.client.deliveries import WebhookDocument
from warren.webhook import new_secret

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Webhooks: what became of a task's, sending it once more, a secret to sign them with.",
)


@app.command("list")
def list_deliveries(task_id: TaskId, output: Shown = Output.TABLE, url: Url = DEFAULT_URL) -> None:
    """List the attempts to deliver a task's webhook."""
    with connect(url) as client:
        _show(client.job(task_id).deliveries(), output)


@app.command()
def redeliver(task_id: TaskId, output: Shown = Output.TABLE, url: Url = DEFAULT_URL) -> None:
    """Send the webhook of a task that has ended once more, whatever became of it before; its id stays the same."""
    with connect(url) as client:
        _show(client.job(task_id).redeliver(), output)


@app.command()
def secret() -> None:
    """Print a new secret to sign webhooks with, for WARREN_WEBHOOK_SECRETS or a key's entry, and for the receivers."""
    typer.echo(new_secret())


def _show(webhook: WebhookDocument, output: Output) -> None:
    document = from_json(webhook.json_bytes())
    if output is Output.JSON:
        show_json(document)
        return
    attempts = document.pop("attempts")
    summary = Table(show_header=False, box=None, pad_edge=False)
    summary.add_column(no_wrap=True)
    summary.add_column(overflow="fold")
    for name, value in document.items():
        summary.add_row(name, words(value))
    Console().print(summary)
    if attempts:
        Console().print(_attempts(attempts))


def _attempts(attempts: list[dict[str, str | int]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("AT", "STATUS", "MS"):
        table.add_column(name, no_wrap=True)
    table.add_column("ERROR", overflow="fold")
    for attempt in attempts:
        table.add_row(*(words(str(attempt.get(name, ""))) for name in ("at", "status", "milliseconds", "error")))
    return table
