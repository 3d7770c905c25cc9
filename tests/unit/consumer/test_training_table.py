"""Reading data sets: what becomes of columns, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from warren_consumer.handler import TaskFault
from warren_consumer.training import table

if TYPE_CHECKING:
    from warren_consumer.training.problem import Problem


def read(tmp_path: Path, text: str, target: str = "y") -> table.Table:
    path = tmp_path / "table.csv"
    path.write_text(text)
    return table.read(path, "csv", target)


def column(tmp_path: Path, values: pa.Array) -> table.Table:
    path = tmp_path / "table.parquet"
    parquet.write_table(pa.table({"x": values, "y": list(range(len(values)))}), path)
    return table.read(path, "parquet", "y")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, 3], pa.int8()),
        pa.array([1.0, 2.0, 3.0], pa.float32()),
        pa.array([1, 2, 3], pa.decimal128(9, 2)),
    ],
)
def test_numbers_of_every_type_are_numbers(tmp_path: Path, values: pa.Array) -> None:
    assert column(tmp_path, values).columns[0].values.tolist() == [1.0, 2.0, 3.0]


def test_truth_values_are_numbers_and_dictionaries_are_texts(tmp_path: Path) -> None:
    assert column(tmp_path, pa.array([True, False, True])).columns[0].values.tolist() == [1.0, 0.0, 1.0]
    texts = column(tmp_path, pa.array(["b", "a", "b"]).dictionary_encode()).columns[0]
    assert texts.categories == ("a", "b")
    assert texts.values.tolist() == ["b", "a", "b"]


def test_numbers_have_the_precision_of_the_served_model(tmp_path: Path) -> None:
    values = column(tmp_path, pa.array([0.1, 16_777_217.0])).columns[0].values
    assert values.tolist() == [float(np.float32(0.1)), 16_777_216.0]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("a,b\n1,2\n", "target-not-found", ["'y'", "'a', 'b'"]),
        ("x,x,y\n1,2,3\n", "invalid-dataset", ["more than one", "'x'"]),
        ("y\n1\n", "invalid-dataset", ["no feature"]),
        ("x,y\n1,2,3\n", "invalid-dataset", ["cannot be read as csv"]),
        ("", "invalid-dataset", ["cannot be read as csv"]),
        ("x,z,y\n1,,1\nNA,2,1\nNaN,2,1\n", "missing-values", ["'x' 2", "'z' 1", "of 3 rows"]),
        ("x,z,y\na,b,1\n,b,2\n", "missing-values", ["'x' 1"]),
        ("x,y\n1,\n2,3\n", "missing-values", ["'y' 1"]),
        ("x,y\n2026-01-01,1\n", "invalid-feature", ["'x'", "date32", "exclude"]),
        ("x,y\n1e300,1\n", "invalid-feature", ["'x'", "3.4e38"]),
        ("x,y\n" + "".join(f"id-{n},1\n" for n in range(201)), "invalid-feature", ["'x'", "201", "200"]),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, code: str, said: list[str]) -> None:
    with pytest.raises(TaskFault) as caught:
        read(tmp_path, text)
    assert caught.value.code == code
    for words in said:
        assert words in caught.value.message


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskFault, match="no rows") as caught:
        column(tmp_path, pa.array([], pa.float64()))
    assert caught.value.code == "dataset-too-small"
    with pytest.raises(TaskFault, match="no rows"):
        read(tmp_path, "x,y\n")


def test_bytes_of_a_data_set_do_not_reach_the_readers_terminal(tmp_path: Path) -> None:
    with pytest.raises(TaskFault) as caught:
        read(tmp_path, "x,y\n1,2\n\x1b[31m\x07" + "z" * 1000 + "\n")
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


def test_texts_in_another_encoding_are_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("x,y\n1,é\n2,b\n".encode("latin-1"))
    with pytest.raises(TaskFault, match="bytes that are no UTF-8 text"):
        table.read(path, "csv", "y")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises(TaskFault, match="cannot be read as parquet"):
        table.read(path, "parquet", "y")


def posed(tmp_path: Path, values: list[str], *, classes: bool = True) -> Problem:
    """Return the problem of a table with these targets."""
    from warren_consumer.training import problem  # noqa: PLC0415 - scikit-learn is for the process that runs this

    text = "x,y\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values))
    pose = problem.classification if classes else problem.regression
    return pose(read(tmp_path, text), "y", problem.Split(held_out_fraction=0.2, seed=0))


def test_every_class_is_trained_on_and_held_out(tmp_path: Path) -> None:
    found = posed(tmp_path, ["a"] * 46 + ["b", "b", "c", "c"])
    assert found.labels == ("a", "b", "c")
    assert set(found.target[found.train]) == {0, 1, 2}
    assert len(found.held_out) == 10
    assert not set(found.train) & set(found.held_out)


def test_classes_may_be_whole_numbers_or_truth_values(tmp_path: Path) -> None:
    assert posed(tmp_path, ["0", "1"] * 10).labels == ("0", "1")
    assert posed(tmp_path, ["true", "false"] * 10).labels == ("false", "true")


@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        (["0.5", "1"] * 10, "invalid-target", "fractions"),
        (["a"] * 20, "invalid-target", "one class only"),
        (["a"] * 20 + ["b"], "dataset-too-small", "'b' of 'y' has a single row"),
        (["a", "b"] * 3, "dataset-too-small", "6 rows; at least 10"),
    ],
)
def test_targets_that_are_no_classes(tmp_path: Path, values: list[str], code: str, said: str) -> None:
    with pytest.raises(TaskFault, match=said) as caught:
        posed(tmp_path, values)
    assert caught.value.code == code


def test_a_regression_needs_numbers(tmp_path: Path) -> None:
    with pytest.raises(TaskFault, match="texts or truth values"):
        posed(tmp_path, ["a", "b"] * 10, classes=False)
    with pytest.raises(TaskFault, match="infinite"):
        posed(tmp_path, ["1", "inf"] * 10, classes=False)
