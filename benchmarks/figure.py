"""A figure: one ratio with its aim, as a row for people and as a document for programs.

Forbidden here: measuring.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.ratio import Ratio

OUT: Final = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """An aim: the more the better."""

    bound: float

    def __str__(self) -> str:
        return f">= {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value >= self.bound


@dataclass(frozen=True, slots=True)
class MoreThan:
    """An aim: ahead of the peer, by however little."""

    bound: float

    def __str__(self) -> str:
        return f"> {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether the value is beyond it."""
        return value > self.bound


@dataclass(frozen=True, slots=True)
class AtMost:
    """An aim: the less the better."""

    bound: float

    def __str__(self) -> str:
        return f"<= {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether the value stays within it."""
        return value <= self.bound


@dataclass(frozen=True, slots=True)
class Between:
    """An aim: as much as the peer, give or take."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} - {self.high:g}"

    def met(self, value: float) -> bool:
        """Whether the value lies within, the ends included."""
        return self.low <= value <= self.high


Aim = AtLeast | MoreThan | AtMost | Between


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio under its name, and what it should be."""

    name: str
    ratio: Ratio
    aim: Aim
    note: str = ""
    """What both sides came to, in their own unit: it is of this machine and this minute."""

    @property
    def met(self) -> bool:
        """Whether the mean is what it should be."""
        return self.aim.met(self.ratio.mean)

    def document(self) -> dict[str, Any]:
        """Return what programs read."""
        found = {"ratio": self.ratio.mean, "low": self.ratio.low, "high": self.ratio.high}
        return (
            {"name": self.name}
            | {key: round(value, 4) for key, value in found.items()}
            | {"aim": str(self.aim), "met": self.met}
        )

    def row(self) -> tuple[str, ...]:
        """Return what people read."""
        found = self.ratio
        return (
            self.name,
            f"{found.mean:.2f}",
            f"{found.low:.2f} - {found.high:.2f}",
            f"{found.least:.2f} - {found.most:.2f}",
            str(self.aim),
            "met" if self.met else "short",
            self.note,
        )


def report(name: str, figures: Sequence[Figure], console: Console, folder: Path = OUT) -> Path:
    """Print the table and write `<folder>/<name>.json`; return its path."""
    table = Table("figure", "ratio", "95 % interval", "spread of pairs", "aim", "", "here and now")
    for figure in figures:
        table.add_row(*figure.row())
    console.print(table)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps([figure.document() for figure in figures], indent=1) + "\n")
    return path
