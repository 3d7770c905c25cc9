"""The features of a table, as the estimator's matrix and as the exported model's inputs.

Categories are one-hot: one column of the matrix for each category that the data set holds; a category that it does not
hold becomes zeros. A table of numbers alone is one input, a row being one tensor; with categories, every feature is an
input of its own, by its name.

Forbidden here: estimators, ONNX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from warren_consumer.training.table import Column

MATRIX_INPUT: Final = "features"
"""The one input of a model whose features are all numbers."""


def matrix(columns: Sequence[Column]) -> NDArray[np.float64]:
    """Return the estimator's matrix: one row per row, numbers as they are, categories one-hot."""
    return np.hstack([_block(column) for column in columns])


def feeds(columns: Sequence[Column], rows: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """Return the exported model's inputs for some of the rows."""
    if all(not column.categories for column in columns):
        return {MATRIX_INPUT: matrix(columns)[rows].astype(np.float32)}
    return {column.name: _feed(column, rows) for column in columns}


def _block(column: Column) -> NDArray[np.float64]:
    if not column.categories:
        return np.asarray(column.values, dtype=np.float64).reshape(-1, 1)
    hits: NDArray[np.bool_] = column.values.reshape(-1, 1) == np.array(column.categories, dtype=object)
    return hits.astype(np.float64)


def _feed(column: Column, rows: NDArray[np.intp]) -> NDArray[Any]:
    values = column.values[rows].reshape(-1, 1)
    return values if column.categories else values.astype(np.float32)
