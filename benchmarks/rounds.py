"""Rounds: everybody does the same in turn, again and again, and each round is a pair for every two of them.

Forbidden here: what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.progress import track

from benchmarks.ratio import Pair, Ratio

ROUNDS: Final = 10
WARM_UP: Final = 1
"""Rounds that count for nothing: connections, scripts, the broker's segments."""

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Rounds:
    """What each contestant came to, round by round."""

    results: Mapping[str, list[float]]

    def ratio(self, ours: str, theirs: str) -> Ratio:
        """Return the ratio of two of them."""
        both = zip(self.results[ours], self.results[theirs], strict=True)
        return Ratio.of([Pair(*pair) for pair in both])

    def note(self, ours: str, theirs: str, unit: str, scale: float = 1) -> str:
        """Return the medians of two of them, for people."""
        found = (f"{median(self.results[name]) * scale:,.0f}" for name in (ours, theirs))
        return f"{' and '.join(found)} {unit}"


def play(title: str, contestants: Mapping[str, Measure], rounds: int = ROUNDS) -> Rounds:
    """Have every contestant measured in each round, one after the other."""
    results: dict[str, list[float]] = {name: [] for name in contestants}
    for number in track(range(-WARM_UP, rounds), title):
        for name, measure in contestants.items():
            found = measure()
            if number >= 0:
                results[name].append(found)
    return Rounds(results)
