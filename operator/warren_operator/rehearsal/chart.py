"""Draws rehearsals: arrivals, replicas and waits over time. The one module that imports matplotlib.

Forbidden here: the rehearsal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

from warren.errors import InvalidRequestError
from warren_operator.rehearsal.rehearsal import Outcome
from warren_operator.rehearsal.trace import Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS: Final = 300
"""Into so many stretches the time is divided for rates and waits."""
FORMATS: Final = (".png", ".svg")


def require_format(path: Path) -> None:
    """Require a name that a drawing can have.

    Raises:
        InvalidRequestError: it ends in neither .png nor .svg.

    """
    if path.suffix not in FORMATS:
        raise InvalidRequestError(f"{path}: the drawing's name ends in one of {', '.join(FORMATS)}")


def draw(path: Path, trace: Trace, outcomes: Sequence[Outcome], target: float | None) -> None:
    """Draw into the file.

    Raises:
        InvalidRequestError: its name ends in neither .png nor .svg, or it cannot be written.

    """
    require_format(path)
    figure = Figure(figsize=(11, 8), layout="constrained")
    rates, replicas, waits = figure.subplots(3, 1, sharex=True)
    width = max(trace.seconds, 1.0) / BINS
    _rates(rates, trace, width)
    for outcome in outcomes:
        times = [at for at, _ in outcome.curve] + [outcome.ended]
        counts = [count for _, count in outcome.curve]
        replicas.step(times, [*counts, counts[-1]], where="post", label=outcome.scaler, linewidth=1)
        _waits(waits, trace, outcome, width)
    replicas.set_ylabel("replicas")
    replicas.legend(loc="upper right")
    waits.set_ylabel("longest wait (s)")
    waits.set_xlabel("seconds since the first arrival")
    if target is not None:
        waits.axhline(target, color="grey", linestyle="--", linewidth=1)
    try:
        figure.savefig(path)
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error}") from error


def _rates(axes: Axes, trace: Trace, width: float) -> None:
    counts = [0] * (BINS + 1)
    for at in trace.arrivals:
        counts[int(at / width)] += 1
    axes.step([index * width for index in range(BINS + 1)], [count / width for count in counts], where="post")
    axes.set_ylabel("arrivals / s")
    axes.set_title(trace.name)


def _waits(axes: Axes, trace: Trace, outcome: Outcome, width: float) -> None:
    longest = [0.0] * (BINS + 1)
    for at, wait in zip(trace.arrivals, outcome.waits, strict=False):
        longest[int(at / width)] = max(longest[int(at / width)], wait)
    # Where no waits are known, a line would say that there were none.
    shown = longest if outcome.waits else []
    axes.plot([index * width for index in range(len(shown))], shown, label=outcome.scaler, linewidth=1)
