"""`warren dead-letters list`, `show`, `replay`, `discard`.

Forbidden here: what a replay is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

import orjson
import typer

from warren.cli.connection import DEFAULT_URL, Output, Shown, Url, connect
from warren.cli.display import say, show_dead_letter, show_dead_letters, show_json
from warren.client.dead_letter import Fate, Treated
from warren.client.synchronous import DeadLetters
from warren.errors import InvalidRequestError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Tasks that failed: list them, look into one, replay them as new tasks, or discard them.

A dead letter keeps its payload and its error for as long as its record lives, 48 hours by default.""",
)

Pool = Annotated[str | None, typer.Option(help="Only those of tasks in this pool.")]
Task = Annotated[str | None, typer.Option(help="Only those of tasks with this name.")]
Code = Annotated[
    str | None, typer.Option(help="Only those that failed so: exception, timeout, poison, unroutable, ...")
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The failed tasks' ids.", show_default=False)]
Every = Annotated[bool, typer.Option("--all", help="All there are, or all that fit --pool, --task and --code.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many, the newest first.")]
Force = Annotated[bool, typer.Option("--force", help="Replay even what was replayed, and failed, five times in a row.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]


@app.command("list")
def list_letters(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    pool: Pool = None,
    task: Task = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """List the tasks that failed, the newest end first.

    [bold]warren dead-letters list --task resize --code exception[/bold]
    """
    with connect(url) as client:
        letters = list(islice(client.dead_letters(pool=pool, task=task, code=code), limit + 1))
    show_dead_letters(letters[:limit], output)
    if len(letters) > limit:
        sys.stderr.write(f"warren: there are more than these {limit}; --limit shows them\n")


@app.command()
def show(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="The failed task's id.")],
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Show all that is known of a failed task: its error with the traceback, its payload, attempts and times.

    [bold]warren dead-letters show 0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21[/bold]
    """
    with connect(url) as client:
        show_dead_letter(client.dead_letters().get(task_id), output)


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    ids: Ids = None,
    every: Every = False,  # noqa: FBT002
    pool: Pool = None,
    task: Task = None,
    code: Code = None,
    limit: Limit = None,
    to_pool: Annotated[str | None, typer.Option(help="Run them in this pool, instead of their own.")] = None,
    force: Force = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Submit failed tasks anew, with the same payload and options, and print the new tasks' ids.

    Give ids, or --all, which --pool, --task and --code narrow down; then it asks first, unless --yes. What fails while
    this runs is not replayed. A dead letter has one replay: asked for again, the answer is the same new task.

    [bold]warren dead-letters replay 0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21[/bold]

    [bold]warren dead-letters replay --all --task resize --to-pool gpu[/bold]
    """
    with connect(url) as client:
        letters = client.dead_letters(pool=pool, task=task, code=code)
        chosen = _choose(letters, ids, limit, every=every, narrowed=bool(pool or task or code))
        _confirm("Replay", chosen, asked=ids is None and not yes)
        treated = letters.replay_many(chosen, pool=to_pool, force=force)
    _tell(treated, output, lambda done: f"{done.id} replayed as {done.task_id}")


@app.command()
def discard(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    ids: Ids = None,
    every: Every = False,  # noqa: FBT002
    pool: Pool = None,
    task: Task = None,
    code: Code = None,
    limit: Limit = None,
    yes: Yes = False,  # noqa: FBT002
    output: Shown = Output.TABLE,
    url: Url = DEFAULT_URL,
) -> None:
    """Strike failed tasks off the dead letters and drop their payloads: they cannot be replayed any more.

    Give ids, or --all, which --pool, --task and --code narrow down; then it asks first, unless --yes.

    [bold]warren dead-letters discard --all --task resize --code invalid-payload[/bold]
    """
    with connect(url) as client:
        letters = client.dead_letters(pool=pool, task=task, code=code)
        chosen = _choose(letters, ids, limit, every=every, narrowed=bool(pool or task or code))
        _confirm("Discard", chosen, asked=ids is None and not yes)
        treated = letters.discard_many(chosen)
    _tell(treated, output, lambda done: f"{done.id} discarded")


def _choose(
    letters: DeadLetters, ids: list[str] | None, limit: int | None, *, every: bool, narrowed: bool
) -> list[str]:
    """Return the ids that are meant, and refuse to guess."""
    if ids and (every or narrowed):
        raise InvalidRequestError("give either ids, or --all with --pool, --task and --code to narrow it down")
    if not ids and not every:
        raise InvalidRequestError("give ids, or --all (with --pool, --task and --code to narrow it down)")
    return list(islice(ids or (letter.id for letter in letters), limit))


def _confirm(what: str, chosen: list[str], *, asked: bool) -> None:
    if not asked or not chosen:
        return
    question = f"{what} {len(chosen)} dead letter{'' if len(chosen) == 1 else 's'}?"
    if not asks():
        raise InvalidRequestError(f"{question} Nobody can be asked here: give --yes")
    typer.confirm(question, abort=True, err=True)


def asks() -> bool:
    """Return whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _tell(treated: list[Treated], output: Output, line: Callable[[Treated], str]) -> None:
    """Show what became of each; exit 1 if any was refused."""
    if output is Output.JSON:
        show_json([_document(done) for done in treated])
    for done in treated if output is Output.TABLE else ():
        if done.fate is Fate.REFUSED and done.problem is not None:
            say(f"warren: {done.problem.message}", err=True)
        else:
            say(line(done) if done.fate is not Fate.SKIPPED else f"{done.id} skipped: its replay failed as well")
    if not treated:
        sys.stderr.write("warren: there are no such dead letters\n")
    if any(done.fate is Fate.REFUSED for done in treated):
        raise typer.Exit(1)


def _document(done: Treated) -> Any:  # noqa: ANN401 - any JSON value
    return orjson.loads(done.model_dump_json(exclude_none=True))
