"""The problem that an estimator is to solve: features as a matrix, the target encoded, the rows split.

Forbidden here: estimators, ONNX, files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.model_selection import train_test_split

from warren_consumer.handler import TaskFault
from warren_consumer.training.features import matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from warren_consumer.training.table import Column, Table

MIN_ROWS: Final = 10


@dataclass(frozen=True, slots=True)
class Split:
    """How the rows are divided: some are kept from the training, and metrics are computed on them."""

    held_out_fraction: float
    seed: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is fitted, and on which rows."""

    columns: tuple[Column, ...]
    matrix: NDArray[np.float64]
    target: NDArray[Any]
    """Numbers, or the classes by index."""
    labels: tuple[str, ...]
    """The classes' names; empty for a regression."""
    train: NDArray[np.intp]
    held_out: NDArray[np.intp]

    @property
    def train_part(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """The matrix and target to fit on."""
        return self.matrix[self.train], self.target[self.train]

    @property
    def held_out_part(self) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """The matrix and target to judge by."""
        return self.matrix[self.held_out], self.target[self.held_out]


def classification(table: Table, name: str, split: Split) -> Problem:
    """Return the problem of telling the classes of the target `name`.

    Raises:
        TaskFault: the target holds no classes, or the rows are too few.

    """
    labels, target, counts = np.unique(_classes(table.target, name), return_inverse=True, return_counts=True)
    if len(labels) < 2:  # noqa: PLR2004 - fewer than two classes are nothing to tell apart
        raise TaskFault("invalid-target", f"the target {name!r} holds one class only: {str(labels[0])!r}")
    if counts.min() < 2:  # noqa: PLR2004 - one row to train on, one to judge by
        rare = str(labels[counts.argmin()])
        raise TaskFault("dataset-too-small", f"the class {rare!r} of {name!r} has a single row; each needs two or more")
    held_out = max(round(table.rows * split.held_out_fraction), len(labels))
    return _problem(table, target, tuple(labels.tolist()), (held_out, split.seed))


def regression(table: Table, name: str, split: Split) -> Problem:
    """Return the problem of telling the number `name`.

    Raises:
        TaskFault: the target holds no numbers, or the rows are too few.

    """
    if table.target.dtype != np.float64:
        detail = f"the target {name!r} holds texts or truth values; a regressor needs numbers (or choose a classifier)"
        raise TaskFault("invalid-target", detail)
    if not np.isfinite(table.target).all():
        raise TaskFault("invalid-target", f"the target {name!r} holds infinite numbers")
    return _problem(table, table.target, (), (max(round(table.rows * split.held_out_fraction), 2), split.seed))


def _classes(target: NDArray[Any], name: str) -> NDArray[Any]:
    if target.dtype != np.float64:
        return target.astype(str)
    whole = target.astype(np.int64)
    if (whole != target).any():
        detail = f"the target {name!r} holds fractions; a classifier needs classes (or choose a regressor)"
        raise TaskFault("invalid-target", detail)
    return whole.astype(str)


def _problem(table: Table, target: NDArray[Any], labels: tuple[str, ...], held_out: tuple[int, int]) -> Problem:
    count, seed = held_out
    train_least = max(len(labels), 2)
    if table.rows < MIN_ROWS or table.rows - count < train_least:
        least = max(MIN_ROWS, count + train_least)
        raise TaskFault("dataset-too-small", f"the data set has {table.rows} rows; at least {least} are needed")
    train, kept = train_test_split(
        np.arange(table.rows), test_size=count, random_state=seed, stratify=target if labels else None
    )
    return Problem(table.columns, matrix(table.columns), target, labels, train, kept)
