"""`warren topology apply` and `check`.

Forbidden here: what the topology is, how it is compared and brought about.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated, Any, Final

import typer

from warren.broker.plan import Plan, Standing, Step, Verdict, compare
from warren.cli.connection import DEFAULT_URL, Output, Shown
from warren.cli.display import say, show_json
from warren.doctor.environment import known_variables
from warren.errors import BrokerUnavailableError
from warren.settings import PREFIX, BrokerSettings, ManagementSettings, PoolsSettings, Settings, SettingsT, load
from warren.topology import Topology, topology

RETRY_SECONDS: Final = 1.0
NOT_AS_WANTED: Final = 1

app = typer.Typer(no_args_is_help=True, help="The broker's exchanges, queues, bindings and policies.")


class TopologySettings(Settings, BrokerSettings, ManagementSettings, PoolsSettings):
    """What the command is told by `WARREN_*` variables."""

    url: str = DEFAULT_URL
    """Unused here; the other commands' variable may be set in the same shell."""


def settings_of_shell(kind: type[SettingsT]) -> SettingsT:
    """Return the settings; the shell may be one in a component's pod, and then has that component's variables, too."""
    own = {f"{PREFIX}{name.upper()}" for name in kind.model_fields}
    others = known_variables() - own
    return load(kind, {name: value for name, value in os.environ.items() if name not in others})


@app.command()
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,  # noqa: FBT002
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the broker to come up.")] = 60.0,
) -> None:
    """Make what Warren needs on the broker, and bring what an older version made up to date. No queue is ever deleted.

    What cannot be changed, such as an argument of a queue, is said with what to do, after all else was done; the exit
    code is then 1. A second run changes nothing.

    Reads WARREN_BROKER_URL, WARREN_BROKER_MANAGEMENT_URL (the account needs the tag policymaker) and WARREN_POOLS
    ("cpu train-cpu:train" unless set).
    """
    settings = settings_of_shell(TopologySettings)
    wanted = topology(settings.pools)
    if dry_run:
        _rehearse(wanted, settings)
        return
    asyncio.run(_apply(wanted, settings, time.monotonic() + timeout))


@app.command()
def check(output: Shown = Output.TABLE) -> None:
    """Say what `apply` would do, and what it could not; the exit code is 1 if anything is missing or differs.

    Reads the same variables as `apply`, and changes nothing.
    """
    settings = settings_of_shell(TopologySettings)
    plan = _survey(topology(settings.pools), settings)
    if output is Output.JSON:
        show_json({"complete": plan.complete, "steps": [_document(step) for step in plan.steps]})
    else:
        _show(plan)
    raise typer.Exit(0 if plan.complete else NOT_AS_WANTED)


def _survey(wanted: Topology, settings: TopologySettings) -> Plan:
    from warren.broker.provision import survey  # noqa: PLC0415 - see warren.cli

    return asyncio.run(survey(wanted, settings.broker_url, settings.broker_management_url))


async def _apply(wanted: Topology, settings: TopologySettings, give_up: float) -> None:
    from warren.broker.provision import provision  # noqa: PLC0415 - see warren.cli

    said = False
    while True:
        try:
            await provision(wanted, settings.broker_url, settings.broker_management_url, say)
        except BrokerUnavailableError as error:
            if time.monotonic() + RETRY_SECONDS > give_up:
                raise
            if not said:
                say(f"waiting for the broker: {error.detail}", err=True)
            said = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


def _rehearse(wanted: Topology, settings: TopologySettings) -> None:
    """Show the plan; without a broker, everything that would be made on an empty one."""
    try:
        plan = _survey(wanted, settings)
    except BrokerUnavailableError as error:
        say(f"the broker was not asked, this is what an empty one would get: {error.detail}", err=True)
        plan = compare(wanted, Standing())
    _show(plan)


def _show(plan: Plan) -> None:
    for step in plan.steps:
        if step.verdict is not Verdict.OK:
            say(str(step))
            for number, line in enumerate(step.advice, 1):
                say(f"    {number}. {line}")
    typer.echo(f"ok: {len(plan.of(Verdict.OK))} of {len(plan.steps)}")


def _document(step: Step) -> dict[str, Any]:
    return {
        "verdict": step.verdict,
        "kind": step.kind,
        "name": step.name,
        "detail": step.detail,
        "advice": step.advice,
    }
