"""The token bucket and its headers."""

from __future__ import annotations

from warren_producer.allowance import Allowance, quota


def test_ten_seconds_worth_comes_at_once_and_then_as_fast_as_the_rate() -> None:
    allowance = Allowance()
    assert [allowance.take(2, 100.0) for _ in range(21)] == [True] * 20 + [False]
    assert allowance.wait(2) == 0.5
    assert not allowance.take(2, 100.4)
    assert allowance.take(2, 100.5)
    assert not allowance.take(2, 100.5)
    assert [allowance.take(2, 1000.0) for _ in range(21)] == [True] * 20 + [False]


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    allowance = Allowance()
    assert quota(0.01) == 1
    assert allowance.take(0.01, 0.0)
    assert not allowance.take(0.01, 99.0)
    assert allowance.take(0.01, 100.0)
    assert allowance.headers(0.01)["RateLimit-Policy"] == '"key";q=1;w=100'


def test_the_headers_tell_what_is_left_and_when_all_is_back() -> None:
    allowance = Allowance()
    for _ in range(6):
        allowance.take(2, 0.0)
    assert allowance.headers(2) == {"RateLimit-Policy": '"key";q=20;w=10', "RateLimit": '"key";r=14;t=3'}


def test_many_are_taken_together_or_not_at_all() -> None:
    allowance = Allowance()
    assert allowance.take(2, 0.0, 15)
    assert not allowance.take(2, 0.0, 6)
    assert allowance.wait(2, 6) == 0.5
    assert allowance.take(2, 0.0, 5)
    assert allowance.wait(2, 20) == 10


def test_a_refusal_takes_nothing() -> None:
    allowance = Allowance()
    assert allowance.take(0.1, 0.0)
    for second in range(1, 10):
        assert not allowance.take(0.1, second)
    assert allowance.take(0.1, 10.0)
