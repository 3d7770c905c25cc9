"""Traces made from a seed: steady (Poisson), bursty (a Poisson process with two states), diurnal, a step.

Forbidden here: how tasks are served.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from warren_operator.rehearsal.trace import DAY, Trace

# How many times the mean, and for how many seconds on average.
_QUIET: Final = (0.2, 300.0)
_LOUD: Final = (5.0, 60.0)
_SWING: Final = 0.8


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a trace is made from."""

    shape: Shape
    seed: int
    rate: float = 10.0
    """Arrivals per second on average."""
    seconds: float = 3600.0
    service_seconds: float = 1.0


class Shape(StrEnum):
    """What the rate of arrivals does; the function that makes each says it."""

    STEADY = "steady"
    BURSTY = "bursty"
    DIURNAL = "diurnal"
    STEP = "step"


def generate(recipe: Recipe) -> Trace:
    """Return the trace; the same recipe gives the same one."""
    chance = random.Random(f"{recipe.shape} {recipe.seed}")  # noqa: S311 - no secret
    return Trace.of(recipe.shape.value, _MAKERS[recipe.shape](recipe, chance), recipe.service_seconds)


def _steady(recipe: Recipe, chance: random.Random) -> Iterator[float]:
    """Always the same: a Poisson process."""
    return _poisson(0.0, recipe.seconds, recipe.rate, chance)


def _bursty(recipe: Recipe, chance: random.Random) -> Iterator[float]:
    """A jump between a fifth and five times the mean: quiet for 300 s and loud for 60 s on average."""
    at, loud = 0.0, False
    while at < recipe.seconds:
        times, seconds = _LOUD if loud else _QUIET
        end = min(recipe.seconds, at + chance.expovariate(1 / seconds))
        yield from _poisson(at, end, recipe.rate * times, chance)
        at, loud = end, not loud


def _diurnal(recipe: Recipe, chance: random.Random) -> Iterator[float]:
    """A rise and fall with the day, by 80 %: a process of the highest rate, thinned out."""
    for at in _poisson(0.0, recipe.seconds, recipe.rate * (1 + _SWING), chance):
        if chance.random() * (1 + _SWING) < 1 - _SWING * math.cos(2 * math.pi * at / DAY):
            yield at


def _step(recipe: Recipe, chance: random.Random) -> Iterator[float]:
    """A third of the mean in the first and the last third, and 7/3 of it between."""
    third = recipe.seconds / 3
    for index, factor in enumerate((1 / 3, 7 / 3, 1 / 3)):
        yield from _poisson(index * third, (index + 1) * third, recipe.rate * factor, chance)


def _poisson(begin: float, end: float, rate: float, chance: random.Random) -> Iterator[float]:
    at = begin + chance.expovariate(rate)
    while at < end:
        yield at
        at += chance.expovariate(rate)


_MAKERS: Final[dict[Shape, Callable[[Recipe, random.Random], Iterator[float]]]] = {
    Shape.STEADY: _steady,
    Shape.BURSTY: _bursty,
    Shape.DIURNAL: _diurnal,
    Shape.STEP: _step,
}
