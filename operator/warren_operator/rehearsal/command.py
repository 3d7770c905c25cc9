"""`warren simulate` and `warren simulate generate`.

Forbidden here: how the pool is scaled and served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from warren.cli.connection import Output, Shown
from warren.cli.display import show_json, words
from warren.errors import InvalidRequestError, SettingsError
from warren.resources import API_VERSION, PAUSED, ConsumerPoolSpec, written
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.rehearsal import Outcome, foretold, least, levelled, rehearse, rehearse_keda
from warren_operator.rehearsal.scalers import SCRAPE_SECONDS, Warren
from warren_operator.rehearsal.trace import MOST_DAYS, MOST_SECONDS, Trace, read_trace, write_trace

START_SECONDS: Final = 10.0
MOST_RATE: Final = 100_000.0
HOUR: Final = 3600.0
_KIND: Final = "ConsumerPool"
_EXTRA: Final = "pip install 'warren[simulate]'"

app = typer.Typer(
    invoke_without_command=True,
    help=(
        "Rehearse a pool's scaling on a trace of arrivals, through the operator's own decision.\n\n"
        "It begins with minReplicas (and room for spareSlots) that are up, and all scalers are paid for until every "
        "task has ended and the last of them is back at that. The clairvoyant knows the future and lets no task wait "
        "beyond the target; the least is what nobody can pay less than who does that."
    ),
)


class Peer(StrEnum):
    """Whom to compare with."""

    KEDA = "keda"


@app.callback()
def simulate(  # noqa: PLR0913, PLR0917 - a command's options
    context: typer.Context,
    pool: Annotated[Path | None, typer.Option(help="A ConsumerPool, as YAML.")] = None,
    trace: Annotated[
        Path | None,
        typer.Option(help="A CSV file: a timestamp (seconds or ISO 8601) per line and, after it, service seconds."),
    ] = None,
    service_time: Annotated[
        float | None, typer.Option(min=0.001, max=MOST_SECONDS, help="Seconds that each task takes.")
    ] = None,
    start_time: Annotated[
        float, typer.Option(min=0.0, max=HOUR, help="Seconds that a pod takes to start.")
    ] = START_SECONDS,
    scrape_seconds: Annotated[
        int, typer.Option(min=1, max=60, help="How often Prometheus scrapes RabbitMQ and the consumers.")
    ] = SCRAPE_SECONDS,
    compare: Annotated[list[Peer] | None, typer.Option(help="Also as KEDA with the HPA would scale.")] = None,
    keda_value: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="KEDA's queue length per replica; what one finishes within the target unless given."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw replicas and waits into this .png or .svg file.")] = None,
    output: Shown = Output.TABLE,
) -> None:
    """Replay the trace, and print waits, tasks beyond the target and replica-seconds."""
    if context.invoked_subcommand is not None:
        return
    if pool is None or trace is None:
        raise InvalidRequestError("give --pool and --trace, or see `warren simulate generate --help`")
    draw = _drawer(plot) if plot is not None else None
    spec, arrivals = read_pool(pool), read_trace(trace, service_time)
    outcomes = [rehearse(arrivals, spec, start_time, Warren(spec, scrape_seconds=scrape_seconds))]
    if compare:
        outcomes.append(rehearse_keda(arrivals, spec, start_time, keda_value))
    if spec.target.wait_seconds is not None:
        outcomes.append(foretold(arrivals, spec, start_time))
    outcomes = levelled(outcomes)
    if spec.target.wait_seconds is None:
        found = [_row(outcome) for outcome in outcomes]
    else:
        bound = least(arrivals, spec, start_time, outcomes[-1].ended)
        found = [_row(outcome) | _beside(outcome, spec, outcomes[-1], bound) for outcome in outcomes]
    _show(found, arrivals, spec, output)
    if draw is not None:
        draw(arrivals, outcomes, spec.target.wait_seconds)


@app.command("generate")
def generate_trace(  # noqa: PLR0913, PLR0917 - a command's options
    shape: Annotated[Shape, typer.Argument(help="What the rate of arrivals does.")],
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
    seed: Annotated[int, typer.Option(help="The same seed, the same trace.")] = 1,
    rate: Annotated[float, typer.Option(min=0.001, max=MOST_RATE, help="Arrivals per second on average.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=1, max=MOST_SECONDS, help="How long the trace is.")] = 3600.0,
    service_time: Annotated[
        float, typer.Option(min=0.001, max=MOST_SECONDS, help="Seconds that each task takes.")
    ] = 1.0,
) -> None:
    """Write a trace: steady (Poisson), bursty (two rates), diurnal or a step."""
    trace = generate(Recipe(shape, seed, rate, seconds, service_time))
    write_trace(trace, out)
    typer.echo(f"{out}: {len(trace.arrivals)} arrivals")


def read_pool(path: Path) -> ConsumerPoolSpec:
    """Read the spec of a ConsumerPool from a file; what of it is not rehearsed is told on standard error.

    Raises:
        InvalidRequestError: it cannot be read, or is no ConsumerPool.
        SettingsError: the library that reads YAML is not installed.

    """
    document = _document(path)
    try:
        spec = written(document)
    except KeyError as error:
        raise InvalidRequestError(f"{path} is no ConsumerPool: it has no {error.args[0]}") from error
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path}: {error.detail}") from error
    if (spec.target.wait_seconds or 0) > MOST_SECONDS:
        message = f"{path}: spec.target.waitSeconds: {spec.target.wait_seconds:g} s are more than {MOST_DAYS} days"
        raise InvalidRequestError(message)
    paused = PAUSED in _within(path, _within(path, document, "metadata"), "annotations")
    held = [name for name, here in (("adviseOnly", spec.advise_only), (PAUSED, paused)) if here]
    if held:
        typer.echo(f"{path}: {' and '.join(held)} left out: rehearsed as if the pool were scaled", err=True)
    return spec


def _document(path: Path) -> Mapping[str, Any]:
    try:
        import yaml  # noqa: PLC0415 - an extra of this command
    except ImportError as error:
        raise SettingsError(f"reading YAML needs an extra: {_EXTRA}") from error
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"the pool {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidRequestError(f"{path} is no ConsumerPool: {error}") from error
    if not isinstance(document, dict):
        raise InvalidRequestError(f"{path} is no ConsumerPool")
    for field, wanted in (("kind", _KIND), ("apiVersion", API_VERSION)):
        if document.get(field, wanted) != wanted:
            raise InvalidRequestError(f"{path} is no ConsumerPool: its {field} is {document[field]}")
    return document


def _within(path: Path, document: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """Return a field that holds others; nothing where it is not there."""
    found = document.get(field) or {}
    if not isinstance(found, dict):
        raise InvalidRequestError(f"{path} is no ConsumerPool: its {field} are {found!r}")
    return found


def _row(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a rehearsal, by the names of the columns; what needs a target for the wait is left open."""
    return {
        "scaler": outcome.scaler,
        "late": None,
        "wait_p50": outcome.quantile(0.5),
        "wait_p99": outcome.quantile(0.99),
        "wait_max": max(outcome.waits),
        "unserved": outcome.unserved,
        "replica_seconds": outcome.replica_seconds,
        "ratio": None,
        "of_least": None,
        "scalings": outcome.scalings,
    }


def _beside(outcome: Outcome, spec: ConsumerPoolSpec, clairvoyant: Outcome, bound: float) -> dict[str, Any]:
    """Return how the outcome compares with what is to be had within the target."""
    return {
        "late": outcome.late(spec.target.wait_seconds or 0.0),
        "ratio": outcome.replica_seconds / clairvoyant.replica_seconds,
        "of_least": outcome.replica_seconds / bound,
    }


def _show(rows: Sequence[Mapping[str, Any]], trace: Trace, spec: ConsumerPoolSpec, output: Output) -> None:
    if output is Output.JSON:
        show_json(rows)
        return
    target = spec.target.wait_seconds
    limit = "" if target is None else f"; late: a wait of more than {target:g} s"
    count = len(trace.arrivals)
    tasks = "1 task" if count == 1 else f"{count} tasks"
    title = words(f"{trace.name}: {tasks} in {trace.seconds:.0f} s{limit}", style="table.title")
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("scaler", "late", "wait p50", "p99", "max", "replica-s", "ratio", "of least", "scalings"):
        # A figure that is too long for the terminal goes on in the next line: cut off, it would be another one.
        table.add_column(column, justify="left" if column == "scaler" else "right", overflow="fold")
    for row in rows:
        table.add_row(
            row["scaler"],
            "" if row["late"] is None else f"{row['late']:.3%}",
            *(f"{row[key]:.1f} s" for key in ("wait_p50", "wait_p99", "wait_max")),
            f"{row['replica_seconds']:.0f}",
            *("" if row[key] is None else f"{row[key]:.2f}" for key in ("ratio", "of_least")),
            str(row["scalings"]),
        )
    console = Console()
    console.print(table)
    for row in rows:
        if row["unserved"]:
            console.print(f"{row['scaler']}: {row['unserved']} tasks were not served within a day of the last arrival")


def _drawer(path: Path) -> Callable[[Trace, Sequence[Outcome], float | None], None]:
    """Return what draws into the file. One that cannot be is refused before anything is rehearsed for it."""
    try:
        from warren_operator.rehearsal import chart  # noqa: PLC0415 - an extra of this command
    except ImportError as error:
        raise SettingsError(f"drawing needs an extra: {_EXTRA}") from error
    chart.require_format(path)
    return partial(chart.draw, path)
