"""Replica curves: what they cost, and how far they lie apart."""

from __future__ import annotations

import pytest

from benchmarks.curve import area, mean_absolute_error, since

STEPS = [(0.0, 0), (10.0, 4), (20.0, 2)]


def test_the_area_is_what_is_paid_for_until_then() -> None:
    assert area(STEPS, 30) == 4 * 10 + 2 * 10
    assert area(STEPS, 15) == 4 * 5
    assert area(STEPS, 10) == 0


def test_what_held_before_the_beginning_counts_from_it_on() -> None:
    assert area([(-5.0, 1), (-1.0, 3), (2.0, 0)], 10) == 6
    assert area([(4.0, 2)], 10) == 20


def test_curves_that_are_equal_are_not_apart() -> None:
    assert mean_absolute_error(STEPS, STEPS, 30) == 0
    assert mean_absolute_error(STEPS, [(0.0, 0), (10.0, 3), (10.0, 4), (20.0, 2)], 30) == 0


def test_more_and_fewer_do_not_cancel_out() -> None:
    assert mean_absolute_error(STEPS, [(0.0, 2)], 30) == pytest.approx((2 * 10 + 2 * 10) / 30)
    assert mean_absolute_error([(0.0, 2)], STEPS, 10) == 2


def test_a_change_that_comes_late_is_an_error_for_so_long() -> None:
    assert mean_absolute_error(STEPS, [(0.0, 0), (13.0, 4), (20.0, 2)], 30) == pytest.approx(4 * 3 / 30)


def test_a_curve_may_begin_later() -> None:
    assert since(15, STEPS) == [(0.0, 4), (5.0, 2)]
    assert since(20, STEPS) == [(0.0, 2)]
    assert since(-5, STEPS) == [(0.0, 0), (5.0, 0), (15.0, 4), (25.0, 2)]
