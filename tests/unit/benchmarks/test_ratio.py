"""The statistics of figures: what a ratio, its interval and its verdict are."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.figure import Aim, AtLeast, AtMost, Between, Figure, MoreThan, report
from benchmarks.ratio import Pair, Ratio


def pairs(*ratios: float) -> list[Pair]:
    return [Pair(ratio * 1000, 1000) for ratio in ratios]


def test_equal_pairs_have_no_width() -> None:
    found = Ratio.of(pairs(*[0.5] * 10))
    assert [found.mean, found.low, found.high, found.least, found.most] == pytest.approx([0.5] * 5)


def test_twice_and_half_as_fast_cancel_out() -> None:
    found = Ratio.of(pairs(*[2.0, 0.5] * 5))
    assert found.mean == pytest.approx(1.0)
    assert (found.least, found.most) == (0.5, 2.0)
    assert 0.5 < found.low < 1.0 < found.high < 2.0


def test_the_interval_is_that_of_the_mean_and_the_same_every_time() -> None:
    # Ratios exp(+-s): the mean's standard error is s/sqrt(n), so 95 % of the resampled means lie within 1.96 of them.
    spread = pairs(*[1.1, 1 / 1.1] * 50)
    found = Ratio.of(spread)
    assert found.high == pytest.approx(1.1**0.196, rel=0.003)
    assert found.low == pytest.approx(1.1**-0.196, rel=0.003)
    assert found == Ratio.of(spread)


def test_more_pairs_narrow_the_interval() -> None:
    few, many = Ratio.of(pairs(*[0.8, 1.2] * 5)), Ratio.of(pairs(*[0.8, 1.2] * 40))
    assert many.high - many.low < (few.high - few.low) / 2


def test_nine_pairs_are_too_few() -> None:
    with pytest.raises(ValueError, match="9 pairs are too few"):
        Ratio.of(pairs(*[1.0] * 9))


@pytest.mark.parametrize(
    ("aim", "mean", "met"),
    [
        (AtLeast(0.9), 0.9, True),
        (AtLeast(0.9), 0.8999, False),
        (MoreThan(1), 1.0, False),
        (MoreThan(1), 1.001, True),
        (AtMost(2.5), 2.5, True),
        (AtMost(2.5), 2.501, False),
        (Between(0.9, 1.1), 0.9, True),
        (Between(0.9, 1.1), 1.1, True),
        (Between(0.9, 1.1), 0.899, False),
        (Between(0.9, 1.1), 1.101, False),
    ],
)
def test_the_mean_decides_whether_the_aim_is_met(aim: Aim, mean: float, *, met: bool) -> None:
    assert Figure("submits", Ratio(mean, mean - 0.1, mean + 0.1, mean, mean), aim).met is met


def test_a_report_is_a_table_and_a_document(tmp_path: Path) -> None:
    said, found = (
        StringIO(),
        Figure("submits", Ratio(0.71239, 0.69, 0.73, 0.6, 0.8), AtLeast(0.9), "71 and 100 a second"),
    )
    path = report("tasks", [found], Console(file=said, width=160), tmp_path / "out")
    assert json.loads(path.read_text()) == [
        {"name": "submits", "ratio": 0.7124, "low": 0.69, "high": 0.73, "aim": ">= 0.9", "met": False}
    ]
    for word in ("submits", "0.71", "0.69 - 0.73", "0.60 - 0.80", ">= 0.9", "short", "71 and 100 a second"):
        assert word in said.getvalue()
