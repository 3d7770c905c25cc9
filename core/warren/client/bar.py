"""A bar that shows how many of many tasks have ended.

Forbidden here: waiting for them.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Shows itself on standard error, where that is a terminal; elsewhere only its last state, in one line."""

    def __init__(self, total: int, *, shown: bool = True) -> None:
        columns = (TextColumn("tasks"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(stderr=True),
            # What others print meanwhile is shown above the bar, unless it goes elsewhere: into a file, say.
            redirect_stdout=shown and _printed_on_terminal(),
            disable=not shown,
        )
        self._bar = self._progress.add_task("", total=total)
        self._failed = 0

    def __enter__(self) -> Self:
        """Show it."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave its last state."""
        self._progress.stop()

    def advance(self, *, succeeded: bool) -> None:
        """Count a task that ended."""
        self._failed += not succeeded
        told = f"{self._failed} without success" if self._failed else ""
        self._progress.update(self._bar, advance=1, description=told)


def _printed_on_terminal() -> bool:
    """Tell whether standard output is a terminal; one that is closed, or no file, is none."""
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False
