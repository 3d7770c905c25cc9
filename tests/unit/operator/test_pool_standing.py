"""Who of those that serve stays: what a consumer that was told to go says of that shows a scrape later."""

from __future__ import annotations

from warren_operator.pool.standing import Standing

FIVE = [f"10.0.0.{number}:8001" for number in range(5)]
NEW = [f"10.0.1.{number}:8001" for number in range(3)]


def test_all_of_those_that_are_wanted_stay() -> None:
    assert Standing().staying(5, 5, FIVE) == 5
    assert Standing().staying(5, 2, FIVE[:2]) == 2


def test_those_that_go_are_not_taken_for_those_to_come() -> None:
    """Three of five go, and three are wanted again before any figure shows that."""
    standing = Standing()
    assert standing.staying(2, 5, FIVE) == 2
    assert standing.staying(5, 5, FIVE) == 2
    assert standing.staying(5, 4, [*FIVE[:3], NEW[0]]) == 3
    assert standing.staying(5, 5, [*FIVE[:2], *NEW]) == 5


def test_so_it_is_after_all_have_gone() -> None:
    standing = Standing()
    assert standing.staying(0, 2, FIVE[:2]) == 0
    assert standing.staying(3, 2, FIVE[:2]) == 0
    assert standing.staying(3, 3, [FIVE[0], *NEW[:2]]) == 2
    assert standing.staying(3, 3, NEW) == 3


def test_who_has_said_it_is_not_subtracted_once_more() -> None:
    standing = Standing()
    assert standing.staying(2, 5, FIVE) == 2
    assert standing.staying(2, 2, FIVE[:2]) == 2


def test_one_more_for_a_rollout_is_no_more_than_wanted() -> None:
    standing = Standing()
    assert standing.staying(2, 3, [*FIVE[:2], NEW[0]]) == 2
    assert standing.staying(2, 3, [FIVE[1], *NEW[:2]]) == 2
    assert standing.staying(2, 2, NEW[:2]) == 2
