"""A data set as a table: CSV or Parquet, read by pyarrow and checked, as columns of numbers and of categories.

Only the training child imports it.

Forbidden here: estimators, object storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import compute, csv, parquet

from warren_consumer.handler import TaskFault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_CATEGORIES: Final = 200
"""How many different texts a feature may hold: more are identifiers or prose, not categories."""

_MAX_SAID: Final = 300
_NUMERIC: Final = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


@dataclass(frozen=True, slots=True)
class Column:
    """One feature: numbers as float64 (with the precision of float32), or texts with their categories."""

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] = ()
    """Empty for numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """The features of a data set in their order, and its target."""

    columns: tuple[Column, ...]
    target: NDArray[Any]
    """float64 for numbers, objects (str) for texts and truth values."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.target)


def read(path: Path, form: str, target: str, exclude: Sequence[str] = ()) -> Table:
    """Read a data set.

    Raises:
        TaskFault: it cannot be read, has no such target, misses values, or a column is neither numbers nor categories.

    """
    table = _read(path, form)
    _check_columns(table.column_names, target, exclude)
    if not table.num_rows:
        raise TaskFault("dataset-too-small", "the data set has columns and no rows")
    names = [name for name in table.column_names if name != target and name not in exclude]
    _check_complete(table.select([*names, target]))
    columns = tuple(_column(name, table.column(name).combine_chunks()) for name in names)
    return Table(columns, _target(target, table.column(target).combine_chunks()))


def _read(path: Path, form: str) -> pa.Table:
    try:
        if form == "parquet":
            return parquet.read_table(path)
        return csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowException, ValueError, OSError) as error:
        said = _readable(str(error).replace(str(path), path.name))
        raise TaskFault("invalid-dataset", f"the data set cannot be read as {form}: {said}") from error


def _readable(text: str) -> str:
    """Shorten what a parser says of a file, and keep the file's own bytes from acting on the reader's terminal."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:_MAX_SAID])
    return f"{shown} ..." if len(text) > _MAX_SAID else shown


def _check_columns(names: list[str], target: str, exclude: Sequence[str]) -> None:
    columns = ", ".join(map(repr, names))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TaskFault("invalid-dataset", f"the data set has more than one column named {', '.join(map(repr, twice))}")
    if target not in names:
        raise TaskFault("target-not-found", f"the data set has no column {target!r}; its columns are {columns}")
    unknown = [name for name in exclude if name not in names or name == target]
    if unknown:
        raise TaskFault("invalid-parameter", f"exclude: {unknown[0]!r} is not a feature; the columns are {columns}")
    if not set(names) - {target, *exclude}:
        raise TaskFault("invalid-dataset", f"the data set has no feature beside the target {target!r}")


def _check_complete(table: pa.Table) -> None:
    missing = {name: count for name in table.column_names if (count := _missing(table.column(name)))}
    if missing:
        counts = ", ".join(f"{name!r} {count}" for name, count in missing.items())
        detail = f"the data set misses values: {counts} of {table.num_rows} rows; fill them in or leave the rows out"
        raise TaskFault("missing-values", detail)


def _missing(column: pa.ChunkedArray) -> int:
    if pa.types.is_floating(column.type):
        return int(column.null_count + (compute.sum(compute.is_nan(column)).as_py() or 0))
    return int(column.null_count)


def _column(name: str, array: pa.Array) -> Column:
    values = _values(array)
    if values is None:
        held = _held(array.type)
        detail = f"the column {name!r} holds {held}; features hold numbers, truth values or texts; `exclude` it"
        raise TaskFault("invalid-feature", detail)
    if values.dtype == np.float64:
        return Column(name, _single(name, values))
    categories = tuple(sorted(set(values)))
    if len(categories) > MAX_CATEGORIES:
        detail = (
            f"the column {name!r} holds {len(categories)} different texts, {MAX_CATEGORIES} are allowed; "
            "if it is an identifier, `exclude` it"
        )
        raise TaskFault("invalid-feature", detail)
    return Column(name, values, categories)


def _single(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to float32, which is what the served model will see, so that it and the estimator see the same numbers."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    if not np.isfinite(rounded).all():
        raise TaskFault("invalid-feature", f"the column {name!r} holds numbers that are infinite or over 3.4e38")
    return rounded


def _target(name: str, array: pa.Array) -> NDArray[Any]:
    if pa.types.is_boolean(array.type):
        return np.array([str(value).lower() for value in array.to_pylist()], dtype=object)
    values = _values(array)
    if values is None:
        raise TaskFault(
            "invalid-target", f"the target {name!r} holds {_held(array.type)}; it must hold numbers or texts"
        )
    return values


def _held(kind: pa.DataType) -> str:
    """Say what a column holds that is of no use."""
    return "bytes that are no UTF-8 text" if pa.types.is_binary(kind) else str(kind)


def _values(array: pa.Array) -> NDArray[Any] | None:
    """Return float64 for numbers and truth values, objects for texts, None for anything else."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    if any(test(array.type) for test in _NUMERIC):
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return np.array(array.to_pylist(), dtype=object)
    return None
