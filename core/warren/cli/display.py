"""How tasks and predictions look in a terminal.

What is asked for goes to standard output; what goes on meanwhile goes to standard error.

Forbidden here: calls to Warren, but for watching a job.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer
from pydantic_core import from_json, to_json
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from warren.cli.connection import Output
from warren.client import Client, Job
from warren.client.bar import Bar
from warren.client.dead_letter import DeadLetter, DeadLetterDetail
from warren.client.documents import TaskDocument
from warren.errors import NotFoundError, WaitTimeoutError
from warren.prediction import Prediction, PredictResponse
from warren.record import State

WIDTH: Final = 200
"""How wide a list is that no terminal shows, in characters."""

WATCH_SECONDS: Final = 1.0
"""How often progress is asked for; the end is shown at once."""

_STYLES: Final = {State.SUCCEEDED: "green", State.FAILED: "red", State.CANCELED: "yellow", State.EXPIRED: "yellow"}


_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal may take for an order: all control characters of ASCII and Latin-1 but the tab and the new line."""


def plain(text: str) -> str:
    """Return a text of somebody else's as it is shown: control characters as JSON writes them."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may hold words of somebody else's; JSON stays the same JSON."""
    typer.echo(plain(text), err=err)


def words(text: str, **looks: Any) -> Text:  # noqa: ANN401 - what a Text takes
    """Return words of somebody else's for a table: nothing in them is an order or markup."""
    return Text(plain(text), **looks)


def show_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a JSON value."""
    say(_json(value, indent=2))


def show_ids(ids: Iterable[str]) -> None:
    """Print ids, one a line."""
    for task_id in ids:
        say(task_id)


def show_result(value: Any) -> None:  # noqa: ANN401 - whatever the task returned
    """Print a result: JSON, or the bytes themselves where it is of another type."""
    if isinstance(value, bytes):
        sys.stdout.buffer.write(value)
    else:
        show_json(value)


def show_task(document: TaskDocument, output: Output) -> None:
    """Print how a task stands."""
    if output is Output.JSON:
        show_json(from_json(document.json_bytes()))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # an address or an id that is cut off is of no use
    for name, value in from_json(document.json_bytes()).items():
        table.add_row(name, _cell(name, value))
    Console().print(table)


def show_tasks(documents: Sequence[TaskDocument], output: Output) -> None:
    """Print how many tasks ended: one JSON document a line, or a table."""
    if output is Output.JSON:
        for document in documents:
            say(document.json_bytes().decode())
        return
    table = Table(box=None, pad_edge=False)
    for name in ("ID", "TASK", "STATUS"):
        table.add_column(name, no_wrap=True)
    table.add_column("RESULT OR ERROR")
    for document in documents:
        told = (words(document.id), words(document.task), _cell("status", document.status.value))
        table.add_row(*told, words(_told(document), no_wrap=True, overflow="ellipsis"))
    _wide_console().print(table)


def show_dead_letters(letters: Sequence[DeadLetter], output: Output) -> None:
    """Print a list of failed tasks."""
    if output is Output.JSON:
        show_json([from_json(letter.json_bytes()) for letter in letters])
        return
    if not letters:
        sys.stderr.write("warren: there are no such dead letters\n")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("ID", "TASK", "POOL", "CODE", "ENDED", "ATTEMPTS"):
        table.add_column(name, no_wrap=True)
    table.add_column("MESSAGE")  # the one that gives way where there is too little room
    for letter in letters:
        *told, message = _dead_letter(letter)
        table.add_row(*map(words, told), words(message, no_wrap=True, overflow="ellipsis"))
    _wide_console().print(table)


def show_dead_letter(letter: DeadLetterDetail, output: Output) -> None:
    """Print all that is known of a failed task."""
    show_task(letter, output)
    if output is Output.TABLE and letter.error is not None and letter.error.traceback:
        say(f"\n{letter.error.traceback.rstrip()}")


def show_predictions(response: PredictResponse, output: Output) -> None:
    """Print what a model said."""
    if output is Output.JSON:
        show_json(from_json(response.document()))
        return
    title = words(f"{response.model} {response.version}", style="table.title")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    rows = [_prediction(prediction) for prediction in response.predictions]
    for column in rows[0] if rows else ():
        table.add_column(words(column))
    for row in rows:
        table.add_row(*map(words, row.values()))
    Console().print(table)


def watch(job: Job[Any], timeout: float | None) -> TaskDocument:
    """Show a job's progress until it has ended; return how it ended.

    Raises:
        WaitTimeoutError: it has not ended after `timeout` seconds; it goes on.

    """
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    end = None if timeout is None else time.monotonic() + timeout
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(job.id, total=None)
        while True:
            left = WATCH_SECONDS if end is None else max(0.0, min(WATCH_SECONDS, end - time.monotonic()))
            document = job.wait(left)
            progress.update(bar, **_bar(document))
            if document.status.terminal:
                return document
            if left <= 0:
                raise WaitTimeoutError(f"the task {job.id} is {document.status} after {timeout} s and goes on")


def watch_all(client: Client, ids: Iterable[str], timeout: float | None) -> list[TaskDocument | NotFoundError]:
    """Show how many of the tasks have ended until all have; return how each ended, or that it is unknown, in order.

    Raises:
        WaitTimeoutError: some have not ended after `timeout` seconds; they go on.

    """
    jobs = [client.job(task_id) for task_id in ids]
    ends: dict[Job[Any], TaskDocument | NotFoundError] = {}
    with Bar(len(jobs)) as bar:  # `gather` would read every result, large ones too
        for job in client.as_completed(jobs, timeout=timeout):
            end = ends[job] = _end(job)
            bar.advance(succeeded=isinstance(end, TaskDocument) and end.status is State.SUCCEEDED)
    return [ends[job] for job in jobs]


def _end(job: Job[Any]) -> TaskDocument | NotFoundError:
    try:
        return job.wait()
    except NotFoundError as gone:
        return gone


def _told(document: TaskDocument) -> str:
    if document.status is not State.SUCCEEDED:
        return f"{document.error.code}: {document.error.message}" if document.error else ""
    if document.result_url is not None:
        return f"a large one, at {document.result_url}"
    value = document.value()
    return f"{len(value)} bytes" if isinstance(value, bytes) else _json(value)


def _json(value: Any, indent: int | None = None) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as JSON, integers of any size among it."""
    return to_json(value, indent=indent, inf_nan_mode="null").decode()


def _wide_console() -> Console:
    """Return standard output's console; what another program reads is not cut to a terminal's width."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _dead_letter(letter: DeadLetter) -> tuple[str, ...]:
    error = letter.error
    code, message = (error.code, " ".join(error.message.split())) if error else ("", "")
    return letter.id, letter.task, letter.pool, code, _age(letter.finished_at), str(letter.attempt), message


def _age(time: datetime | None) -> str:
    """Return how long ago it was, in the largest unit."""
    if time is None:
        return ""
    seconds = max(0, round((datetime.now(UTC) - time).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"


def _bar(document: TaskDocument) -> dict[str, Any]:
    reported = document.progress
    description = f"{document.task} {document.status}"
    if reported is None:
        return {"description": description, "total": None}
    return {
        "description": plain(f"{description} {reported.message or ''}".rstrip()),
        "total": 1.0,
        "completed": reported.fraction,
    }


def _cell(name: str, value: Any) -> Text:  # noqa: ANN401 - any JSON value
    if name == "status":
        return Text(value, style=_STYLES.get(State(value), "cyan"))
    if name == "error":
        return words(f"{value['code']}: {value['message']}")
    return words(value if isinstance(value, str) else _json(value))


def _prediction(prediction: Prediction) -> dict[str, str]:
    given = prediction.model_dump(exclude_none=True)
    named = {**given.pop("probabilities", {}), **given.pop("scores", {})}
    return {name: _number(value) for name, value in {**given, **named}.items()}


def _number(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return f"{value:.6g}" if isinstance(value, float) else str(value)
