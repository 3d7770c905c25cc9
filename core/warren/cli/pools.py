"""`warren pools list` and `move`.

Forbidden here: how tasks are moved.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from warren.broker.plan import Standing
from warren.cli.connection import Output, Shown
from warren.cli.display import show_json, words
from warren.cli.topology import TopologySettings, settings_of_shell
from warren.errors import NotFoundError, WrongPoolError
from warren.pool import Pool, PoolKind
from warren.settings import RecordsSettings
from warren.topology import DEAD, TASKS

TELL_EVERY: Final = 1000
STORE_SECONDS: Final = 10.0
"""How long moving waits for a busy store: whoever began it would only have to begin again."""


class MoveSettings(TopologySettings, RecordsSettings):
    """What `move` is told by `WARREN_*` variables."""


app = typer.Typer(no_args_is_help=True, help="The pools' queues on the broker.")


@app.command("list")
def list_pools(output: Shown = Output.TABLE) -> None:
    """List the pools and what waits in them, also those that are no longer named but still have a queue.

    Reads WARREN_BROKER_URL, WARREN_BROKER_MANAGEMENT_URL and WARREN_POOLS, as `warren topology` does.
    """
    settings = settings_of_shell(TopologySettings)
    rows = _rows(settings.pools, asyncio.run(_standing(settings)))
    if output is Output.JSON:
        show_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    for column in rows[0] if rows else ():
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(words("" if value is None else str(value)) for value in row.values()))
    Console().print(table)


@app.command()
def move(
    old: Annotated[str, typer.Argument(metavar="OLD", help="The pool whose queue is emptied; it may be gone.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The pool that gets its tasks.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Move at most so many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are.")] = False,  # noqa: FBT002
) -> None:
    """Move the waiting tasks of a pool to another one. Stopped midway, call it again.

    Tasks that a consumer has taken are not touched. Delayed and retrying tasks come to the old queue when they are due:
    move again before you delete it. Ids and options stay as they are; a task's status names its new pool.

    Reads WARREN_RECORDS_URL, too: a task whose record names a pool that is empty would be taken for lost.
    """
    settings = settings_of_shell(MoveSettings)
    waiting = asyncio.run(_waiting(settings, old, new))
    if dry_run:
        typer.echo(f"{waiting} tasks would be moved from {old} to {new}")
        return
    typer.echo(f"moving {waiting} tasks from {old} to {new}", err=True)
    moved = asyncio.run(_move(settings, old, new, limit))
    typer.echo(f"{moved} tasks were moved from {old} to {new}")


async def _waiting(settings: TopologySettings, old: str, new: str) -> int:
    """Return how many tasks wait, if they may be moved."""
    target = next((pool for pool in settings.pools if pool.name == new), None)
    if target is None or new == old:
        others = ", ".join(pool.name for pool in settings.pools if pool.name != old)
        raise WrongPoolError(f"{new!r} cannot take the tasks of {old!r}; one of these can: {others} (WARREN_POOLS)")
    queue = (await _standing(settings)).queues.get(f"{TASKS}.{old}")
    if queue is None:
        raise NotFoundError(f"there is no queue {TASKS}.{old}; see: warren pools list")
    # A queue whose pool is gone tells its kind only by what it was declared with.
    kind = PoolKind.TRAIN if "x-consumer-timeout" in queue.arguments else PoolKind.SERVE
    if kind is not target.kind:
        raise WrongPoolError(
            f"{old!r} is of kind {kind}, {new!r} of kind {target.kind}: its consumers refuse the tasks"
        )
    return queue.messages


async def _move(settings: MoveSettings, old: str, new: str, limit: int | None) -> int:
    from warren.broker.amqp import AmqpBroker  # noqa: PLC0415 - see warren.cli
    from warren.records.redis import RedisRecords  # noqa: PLC0415
    from warren.transfer import transfer  # noqa: PLC0415

    broker = AmqpBroker(settings.broker_url, "warren pools move")
    records = RedisRecords(settings.records_url, STORE_SECONDS)
    try:
        return await transfer(broker, records, old, new, limit=limit, report=_tell)
    finally:
        await broker.close()
        await records.close()


def _tell(moved: int) -> None:
    if moved % TELL_EVERY == 0:
        typer.echo(f"{moved} moved", err=True)


async def _standing(settings: TopologySettings) -> Standing:
    from warren.broker.management import Management  # noqa: PLC0415 - see warren.cli
    from warren.broker.provision import counted, standing  # noqa: PLC0415

    async with Management(settings.broker_management_url, settings.broker_url) as management:
        found = await standing(management)
        return await counted(
            found, [name for name in found.queues if name.startswith(f"{TASKS}.")], settings.broker_url
        )


def _rows(pools: tuple[Pool, ...], found: Standing) -> list[dict[str, str | int | None]]:
    named = {pool.name: str(pool.kind) for pool in pools}
    standing_pools = {name.removeprefix(f"{TASKS}.") for name in found.queues if name.startswith(f"{TASKS}.")}
    return [
        {
            "pool": name,
            "kind": named.get(name),
            "state": _state(name in named, name in standing_pools),
            "tasks": _messages(found, f"{TASKS}.{name}"),
            "dead_letters": _messages(found, f"{DEAD}.{name}"),
        }
        for name in sorted({*named, *standing_pools})
    ]


def _state(named: bool, stands: bool) -> str:  # noqa: FBT001 - two facts, and the word for both
    if named:
        return "ok" if stands else "no queue"
    return "orphaned"


def _messages(found: Standing, queue: str) -> int | None:
    return found.queues[queue].messages if queue in found.queues else None
