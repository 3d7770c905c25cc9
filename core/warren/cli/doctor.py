"""`warren doctor`.

Forbidden here: what is looked at and what it means.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from warren.cli.connection import Output, Shown
from warren.cli.display import show_json, words
from warren.doctor.finding import Finding, Level

UNWELL: Final = 1

_STYLES: Final = {Level.OK: "green", Level.SKIPPED: "dim", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Setting up")(doctor)


def doctor(output: Shown = Output.TABLE) -> None:
    """Check the broker, the record store, object storage and the producer, and say what to do; 1 is for a problem.

    Reads the variables that the components read: WARREN_BROKER_URL, WARREN_BROKER_MANAGEMENT_URL, WARREN_RECORDS_URL,
    WARREN_STORAGE_BUCKET and AWS_*, WARREN_URL, WARREN_POOLS. What is not named is skipped. It takes 10 seconds at most
    and changes nothing, but for an object under doctor/ in the bucket, which it takes away again.
    """
    from warren.doctor.examination import examine  # noqa: PLC0415 - see warren.cli

    findings = asyncio.run(examine(os.environ))
    if output is Output.JSON:
        show_json([asdict(finding) for finding in findings])
    else:
        show(findings, Console())
    raise typer.Exit(UNWELL if any(finding.level is Level.PROBLEM for finding in findings) else 0)


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print the findings, each advice under its finding, and how many there are of each level."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for width in (None, None, None):
        table.add_column(no_wrap=True, width=width)
    table.add_column(overflow="fold")
    for finding in findings:
        level = Text(finding.level, style=_STYLES[finding.level])
        table.add_row(level, finding.dependency, finding.check, words(finding.detail))
        if finding.advice:
            table.add_row("", "", "", words(f"-> {finding.advice}", style="bold"))
    console.print(table)
    counted = Counter(finding.level for finding in findings)
    console.print(", ".join(f"{level}: {counted[level]}" for level in Level), highlight=False)
