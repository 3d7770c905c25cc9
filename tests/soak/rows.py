"""The rows that tasks wrote outside of Warren, read back as runs.

Pure but for `read`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a task."""

    number: int
    token: str
    pid: int
    began: float
    attempt: int = 1
    fence: int = 0
    ended: float | None = None
    word: str = "start"
    """Its last row: `start` (it never came to an end), `end`, `fault` (failed as planned) or `stop` (was cancelled)."""


Runs = Mapping[int, Sequence[Run]]


def parse(lines: Iterable[str]) -> Runs:
    """Return the runs of each task, by number, in the order of their beginning.

    Raises:
        ValueError: a row is none.

    """
    runs: dict[str, Run] = {}
    for line in lines:
        word, number, token, *claim, pid, at = line.split()
        if word == "start":
            attempt, fence = map(int, claim)
            runs[token] = Run(int(number), token, int(pid), float(at), attempt, fence)
        else:
            runs[token] = replace(runs[token], word=word, ended=float(at))
    found: dict[int, list[Run]] = defaultdict(list)
    for run in runs.values():
        found[run.number].append(run)
    return found


def read(file: Path) -> Runs:
    """Return the runs in the file."""
    return parse(file.read_text().splitlines())
