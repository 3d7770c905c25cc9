"""The comparison of an exported model with its estimator on the held-out rows, and the tolerance that it must keep.

The exported model computes in float32 and the estimator in float64, so they differ a little. `docs/training.md` states
the tolerance.

Forbidden here: estimators, ONNX, data sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGREEMENT: Final = 0.99
"""The share of rows that must agree: in their class, and within the tolerance of their numbers."""
PROBABILITY_TOLERANCE: Final = 1e-3
"""How far a row's probabilities may lie from the estimator's, the worst class of the row counting."""
VALUE_TOLERANCE: Final = 1e-3
"""How far a row's number may lie from the estimator's, as a share of the spread (standard deviation) of the target."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far the exported model and its estimator agree."""

    rows: int
    agreement: float
    """The share of rows that agree, 0 to 1."""
    deviation: float
    """The largest difference of all rows: of probabilities, or of numbers as a share of the target's spread."""

    def check(self) -> None:
        """Return if the tolerance is kept.

        Raises:
            TaskFault: it is not; the message holds the numbers.

        """
        if self.agreement < AGREEMENT:
            detail = (
                f"the exported model differs from the estimator: {self.agreement:.2%} of {self.rows} held-out "
                f"rows agree, {AGREEMENT:.0%} must; the largest difference is {self.deviation:.3g}; "
                "another estimator, or features on smaller scales, may export exactly"
            )
            raise TaskFault("export-mismatch", detail)


def compare_classes(
    expected: NDArray[Any], got: NDArray[Any], probabilities: tuple[NDArray[Any], NDArray[Any]] | None
) -> Comparison:
    """Compare classes and, where there are any, the probabilities (expected, got)."""
    agree = expected == got
    if probabilities is None:
        return Comparison(len(agree), float(agree.mean()), float(1.0 - agree.mean()))
    distance = np.abs(probabilities[0] - probabilities[1]).max(axis=1)
    return _comparison(agree & (distance <= PROBABILITY_TOLERANCE), distance)


def compare_values(expected: NDArray[Any], got: NDArray[Any], spread: float) -> Comparison:
    """Compare numbers; `spread` is the standard deviation of the target."""
    distance = np.abs(expected - got) / (spread or 1.0)
    return _comparison(distance <= VALUE_TOLERANCE, distance)


def _comparison(agree: NDArray[np.bool_], distance: NDArray[Any]) -> Comparison:
    # NaN agrees with nothing: every comparison with it is false.
    return Comparison(len(agree), float(agree.mean()), float(np.nanmax(distance, initial=0.0)))
