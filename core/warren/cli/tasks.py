"""`warren submit`, `batch`, `status`, `result`, `wait`, `cancel`.

Forbidden here: how documents look. That is `display`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from warren.cli.connection import DEFAULT_URL, Output, Shown, Url, connect
from warren.cli.display import say, show_ids, show_result, show_task, show_tasks, watch, watch_all
from warren.cli.fault import exit_code
from warren.cli.values import file_bytes, json_object, pairs
from warren.client import Job
from warren.client.batch import BatchRefusedError
from warren.client.documents import TaskDocument
from warren.client.outcome import failure
from warren.errors import NotFoundError, TaskFailedError, WarrenError
from warren.record import State

PANEL = "Tasks"

TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id, as `warren submit` printed it.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which to stop waiting; the task goes on.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (submit, batch, status, result, wait, cancel):
        app.command(rich_help_panel=PANEL)(command)


def submit(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's name: a function's, or train.")],
    args: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Arguments. A value that is JSON (3, true, [1,2]) is taken as that, else as text.",
        ),
    ] = None,
    json: Annotated[str | None, typer.Option(help="Arguments as a JSON object.")] = None,
    file: Annotated[Path | None, typer.Option(help="Arguments as a file that holds a JSON object.")] = None,
    pool: Annotated[str | None, typer.Option(help="The pool to run in, if not the task's own.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="priority=high, delay_seconds=60, timeout_seconds=30, max_attempts=5, ... Repeatable.",
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key: the same key again is the same task.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end and print the result.")] = False,  # noqa: FBT002
    timeout: Timeout = None,
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Submit a task and print its id.

    [bold]warren submit audio_length url=https://example.com/a.mp3 --wait[/bold]
    """
    options = pairs(option or ()) | ({"pool": pool} if pool else {})
    with connect(url) as client:
        job = client.submit(task, _arguments(args, json, file), options=options, idempotency_key=key)
        if wait:
            _finish(job, watch(job, timeout), output)
        elif output is Output.JSON:
            show_task(job.record(), output)
        else:
            say(job.id)


def batch(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            allow_dash=True,
            help='One task a line, as JSON: {"task": ..., "args": {...}, "options": {...}}. - is standard input.',
        ),
    ],
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same file with the same key again is the same tasks.")
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Submit many tasks and print their ids, in order.

    Each is accepted or refused for itself; the refused are named on standard error.
    """
    lines = [(number, line) for number, line in enumerate(_text(file).splitlines(), 1) if line.strip()]
    requests = [json_object(line, f"{file}, line {number}") for number, line in lines]
    with connect(url) as client:
        try:
            ids = [job.id for job in client.submit_many(requests, idempotency_key=key)]
        except BatchRefusedError as error:
            for place, fault in error.refused.items():
                say(f"warren: {file}, line {lines[place][0]}: {' '.join(fault.detail.split())}", err=True)
            show_ids(error.accepted.values())
            raise typer.Exit(exit_code(next(iter(error.refused.values())))) from error
    show_ids(ids)


def status(task_id: TaskId, output: Shown = Output.TABLE, url: Url = DEFAULT_URL) -> None:
    """Show how a task stands."""
    with connect(url) as client:
        show_task(client.job(task_id).record(), output)


def result(task_id: TaskId, url: Url = DEFAULT_URL) -> None:
    """Print a task's result as JSON (its bytes, if it is of another type); without one, say why and exit non-zero."""
    with connect(url) as client:
        job = client.job(task_id)
        _show_end(job, job.wait(0))


def wait(
    task_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Their ids; - is standard input.")],
    timeout: Timeout = None,
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Wait for the end of tasks, showing their progress. Of one, print the result; of many, how each ended.

    [bold]warren batch tasks.jsonl | warren wait -[/bold]
    """
    ids = sys.stdin.read().split() if task_ids == ["-"] else task_ids
    with connect(url) as client:
        if len(ids) == 1:
            job = client.job(ids[0])
            _finish(job, watch(job, timeout), output)
        else:
            _finish_all(watch_all(client, ids, timeout), output)


def cancel(task_id: TaskId, output: Shown = Output.TABLE, url: Url = DEFAULT_URL) -> None:
    """Cancel a task, queued or running. One that has ended stays as it is."""
    with connect(url) as client:
        show_task(client.job(task_id).cancel(), output)


def _text(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file_bytes(file)


def _arguments(texts: list[str] | None, json: str | None, file: Path | None) -> dict[str, Any]:
    from_file = json_object(file_bytes(file), str(file)) if file else {}
    from_json = json_object(json, "--json") if json else {}
    return {**from_file, **from_json, **pairs(texts or ())}


def _finish(job: Job[Any], document: TaskDocument, output: Output) -> None:
    if output is Output.JSON:
        show_task(document, output)
        raise typer.Exit(0 if document.status is State.SUCCEEDED else exit_code(_failure(document)))
    _show_end(job, document)


def _finish_all(ends: list[TaskDocument | NotFoundError], output: Output) -> None:
    show_tasks([end for end in ends if isinstance(end, TaskDocument)], output)
    for end in ends:
        if isinstance(end, NotFoundError):
            say(f"warren: {end.detail}", err=True)
    faults = [fault for end in ends if (fault := _fault(end)) is not None]
    raise typer.Exit(exit_code(faults[0]) if faults else 0)


def _fault(end: TaskDocument | NotFoundError) -> WarrenError | None:
    if isinstance(end, TaskDocument):
        return None if end.status is State.SUCCEEDED else _failure(end)
    return end


def _show_end(job: Job[Any], document: TaskDocument) -> None:
    if document.status is not State.SUCCEEDED:
        raise _failure(document)
    show_result(job.get())


def _failure(document: TaskDocument) -> WarrenError:
    """Return the fault of a task that did not succeed: of one that has ended it is never the command's own."""
    fault = failure(document.id, document.task, document.status, document.error)
    return TaskFailedError(fault.detail) if document.status.terminal else fault
