"""The tolerance between an exported model and its estimator."""

import numpy as np
import pytest

from warren_consumer.handler import TaskFault
from warren_consumer.training.comparison import compare_classes, compare_values

ROWS = 200


def test_one_row_in_a_hundred_may_differ() -> None:
    expected = np.zeros(ROWS, dtype=np.int64)
    got = expected.copy()
    got[:2] = 1
    compare_classes(expected, got, None).check()
    got[2] = 1
    with pytest.raises(TaskFault, match=r"98\.50% of 200 held-out rows agree, 99% must") as caught:
        compare_classes(expected, got, None).check()
    assert caught.value.code == "export-mismatch"


def test_probabilities_count_as_well_as_classes() -> None:
    classes = np.zeros(ROWS, dtype=np.int64)
    expected = np.tile([0.9, 0.1], (ROWS, 1))
    compare_classes(classes, classes, (expected, expected + 0.0005)).check()
    with pytest.raises(TaskFault, match=r"largest difference is 0\.002"):
        compare_classes(classes, classes, (expected, expected + 0.002)).check()


def test_values_are_judged_by_the_targets_spread() -> None:
    expected = np.linspace(0, 1000, ROWS)
    compare_values(expected, expected + 0.2, spread=300.0).check()
    with pytest.raises(TaskFault):
        compare_values(expected, expected + 0.2, spread=100.0).check()
    compare_values(expected, expected, spread=0.0).check()


def test_nan_agrees_with_nothing() -> None:
    expected = np.zeros(ROWS)
    with pytest.raises(TaskFault, match=r"0\.00%"):
        compare_values(expected, np.full(ROWS, np.nan), spread=1.0).check()
