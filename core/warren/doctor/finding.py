"""A finding: what was looked at, how it is, and one line on what to do.

Forbidden here: I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How something is."""

    OK = "ok"
    SKIPPED = "skipped"
    """It was not looked at; the detail says why."""
    WARNING = "warning"
    """It works, but something may go wrong, or cannot be told."""
    PROBLEM = "problem"
    """Something does not work, or what was promised may not be kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    dependency: str
    check: str
    level: Level
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """Makes findings about one dependency."""

    dependency: str

    def ok(self, check: str, detail: str) -> Finding:
        """Say that it is well."""
        return Finding(self.dependency, check, Level.OK, detail)

    def skipped(self, check: str, detail: str) -> Finding:
        """Say that it was not looked at."""
        return Finding(self.dependency, check, Level.SKIPPED, detail)

    def warning(self, check: str, detail: str, advice: str) -> Finding:
        """Warn."""
        return Finding(self.dependency, check, Level.WARNING, detail, advice)

    def problem(self, check: str, detail: str, advice: str) -> Finding:
        """Name a problem."""
        return Finding(self.dependency, check, Level.PROBLEM, detail, advice)
