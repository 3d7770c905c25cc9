"""The command line: `warren`.

One module per group of commands; each command reads its arguments, calls a client or another module of core, and shows
what came of it. Commands of the other packages come by the entry-point group `warren.commands`.

The adapters of brokers and stores are imported by the commands that need one: their libraries take as long as all else,
and most commands only speak HTTP.

Forbidden here: anything that a program could not do through `warren.client` as well, but for showing it.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.metadata import version as distribution_version

import typer

from warren.cli import accounts, dead_letters, doctor, events, keys, pools, predictions, tasks, topology, webhooks
from warren.cli.fault import EXIT_CODES, Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Submit machine-learning work to Warren, watch it, and set up its broker.",
    epilog=EXIT_CODES,
)
for group in (tasks, predictions, events, accounts, doctor):
    group.register(app)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel="Tasks")
app.add_typer(webhooks.app, name="webhooks", rich_help_panel="Tasks")
app.add_typer(topology.app, name="topology", rich_help_panel="Setting up")
app.add_typer(pools.app, name="pools", rich_help_panel="Setting up")
app.add_typer(keys.app, name="keys", rich_help_panel="Setting up")
for plugin in entry_points(group="warren.commands"):
    app.add_typer(plugin.load(), name=plugin.name, rich_help_panel="Setting up")


@app.command(rich_help_panel="Setting up")
def version() -> None:
    """Print the version."""
    typer.echo(distribution_version("warren"))
