"""The ratio of two things that were measured in pairs.

Forbidden here: measuring, I/O.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Final, Self

LEAST_PAIRS: Final = 10
RESAMPLES: Final = 10_000
INTERVAL: Final = 0.95
_SEED: Final = 20_261_121


@dataclass(frozen=True, slots=True)
class Pair:
    """Warren and its peer, one right after the other: two rates in the same unit."""

    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """How many times the peer's rate ours is."""
        return self.ours / self.theirs


@dataclass(frozen=True, slots=True)
class Ratio:
    """What the pairs' ratios say together."""

    mean: float
    """The geometric mean."""
    low: float
    """The lower end of its 95 % bootstrap interval."""
    high: float
    """The upper end."""
    least: float
    """The smallest ratio of one pair."""
    most: float
    """The largest."""

    @classmethod
    def of(cls, pairs: Sequence[Pair]) -> Self:
        """Sum up the pairs. The same pairs give the same interval: the bootstrap is seeded.

        Raises:
            ValueError: there are fewer than ten pairs, too few for an interval.

        """
        if len(pairs) < LEAST_PAIRS:
            raise ValueError(f"{len(pairs)} pairs are too few for an interval; measure at least {LEAST_PAIRS}")
        ratios = [pair.ratio for pair in pairs]
        low, high = _interval(ratios)
        return cls(geometric_mean(ratios), low, high, min(ratios), max(ratios))


def _interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the geometric mean: that of the logarithms' mean."""
    chance = random.Random(_SEED)  # noqa: S311 - statistics, not secrets
    logarithms = [math.log(ratio) for ratio in ratios]
    means = sorted(fmean(chance.choices(logarithms, k=len(ratios))) for _ in range(RESAMPLES))
    cut = round(RESAMPLES * (1 - INTERVAL) / 2)
    return math.exp(means[cut]), math.exp(means[-1 - cut])
