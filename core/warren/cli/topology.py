"""`warren topology apply`.

Forbidden here: what the topology is, how it is brought about.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from warren.broker.provision import provision
from warren.cli.connection import DEFAULT_URL
from warren.errors import BrokerUnavailableError
from warren.settings import BrokerSettings, ManagementSettings, PoolsSettings, Settings, load
from warren.topology import Topology, topology

RETRY_SECONDS = 1.0

app = typer.Typer(no_args_is_help=True, help="The broker's exchanges, queues, bindings and policies.")


class TopologySettings(Settings, BrokerSettings, ManagementSettings, PoolsSettings):
    """What the command is told by `WARREN_*` variables."""

    url: str = DEFAULT_URL
    """Unused here; the other commands' variable may be set in the same shell."""


@app.callback()
def group() -> None:
    """Hold the group open for further commands: with a single one, typer would drop its name."""


@app.command()
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be declared.")] = False,  # noqa: FBT002
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the broker to come up.")] = 60.0,
) -> None:
    """Declare what Warren needs on the broker. Nothing is ever deleted, and a second run changes nothing.

    Reads WARREN_BROKER_URL, WARREN_BROKER_MANAGEMENT_URL (the account needs the tag policymaker) and WARREN_POOLS
    ("cpu train-cpu:train" unless set).
    """
    settings = load(TopologySettings)
    wanted = topology(settings.pools)
    if dry_run:
        _describe(wanted)
        return
    asyncio.run(_apply(wanted, settings, time.monotonic() + timeout))


async def _apply(wanted: Topology, settings: TopologySettings, give_up: float) -> None:
    said = False
    while True:
        try:
            await provision(wanted, settings.broker_url, settings.broker_management_url, typer.echo)
        except BrokerUnavailableError as error:
            if time.monotonic() + RETRY_SECONDS > give_up:
                raise
            if not said:
                typer.echo(f"waiting for the broker: {error.detail}", err=True)
            said = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


def _describe(wanted: Topology) -> None:
    for exchange in wanted.exchanges:
        typer.echo(f"exchange {exchange.name} ({exchange.type})")
    for queue in wanted.queues:
        typer.echo(f"queue {queue.name} {dict(queue.arguments)}")
    for binding in wanted.bindings:
        typer.echo(f"binding {binding.source} -> {binding.destination} [{binding.routing_key}]")
    for policy in wanted.policies:
        typer.echo(f"policy {policy.name} {policy.pattern} {dict(policy.definition)}")
