"""Figures about tasks: `python -m benchmarks.tasks [--only submits ...]`, all of them in nine minutes at most.

A figure that falls short is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from rich.console import Console

from benchmarks import finishing, latency, memory, requests, submitting
from benchmarks.figure import Figure, report
from benchmarks.machine import Ground, ground

TASKS_FOR_MEMORY: Final = 100_000
WIDTH: Final = 170
"""A row of the table is one line, in a pipe as well."""

Part = Callable[[Ground], Sequence[Figure]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=main.__doc__)
    names = ("submits", "finished", "http", "latency", "memory")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART", help=", ".join(names))
    parser.add_argument(
        "--tasks",
        type=int,
        default=TASKS_FOR_MEMORY,
        help="how many tasks go through producer and consumer while their memory is watched",
    )
    given = parser.parse_args(arguments)
    parts: dict[str, Part] = {
        "submits": submitting.measure,
        "finished": finishing.measure,
        "http": requests.measure,
        "latency": latency.measure,
        "memory": partial(memory.measure, tasks=given.tasks),
    }
    console = Console(width=WIDTH)
    figures: list[Figure] = []
    with ground() as ready:
        for name in given.only:
            with ready.scene():
                figures += parts[name](ready)
    path = report("tasks", figures, console)
    console.print(f"Every side of a figure ran in this call, in turn, on the same broker, store and core.\n{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
