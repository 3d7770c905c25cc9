"""What one round asks of the same step goes as one command, and everybody is told their own answer."""

from __future__ import annotations

import pytest

from warren.records.parcels import FULL_BYTES, MOST_IN_A_PARCEL, Part, parcels


def test_neighbours_of_one_step_go_as_one_command_and_the_order_stays() -> None:
    asked = [
        *(Part(("d1", "a", 1, "x")), Part(("d1", "b", b"y")), Part(("d1", "c"))),
        Part(("d2", "d")),
        ("PING",),
        Part(("d2", "e")),
    ]
    assert [(list(parcel.command), parcel.places) for parcel in parcels(asked)] == [
        (["EVALSHA", "d1", 3, "a", "b", "c", 2, 1, "x", 1, b"y", 0], (0, 1, 2)),
        (["EVALSHA", "d2", 1, "d", 0], (3,)),
        (["PING"], (4,)),
        (["EVALSHA", "d2", 1, "e", 0], (5,)),
    ]


def test_more_than_a_parcel_holds_go_as_several() -> None:
    asked = [Part(("d", f"k{number}")) for number in range(MOST_IN_A_PARCEL + 1)]
    assert [list(parcel.places) for parcel in parcels(asked)] == [list(range(MOST_IN_A_PARCEL)), [MOST_IN_A_PARCEL]]


def test_large_results_do_not_gather() -> None:
    asked = [Part(("d", "small", b"x")), Part(("d", "large", bytes(FULL_BYTES))), Part(("d", "next", b"x"))]
    assert [parcel.places for parcel in parcels(asked)] == [(0, 1), (2,)]


@pytest.mark.parametrize(
    ("word", "told"),
    [([b"claimed", None], {3: b"claimed", 4: None}), (fault := ValueError("away"), {3: fault, 4: fault})],
    ids=["each their own", "what went wrong with all"],
)
def test_each_is_told_their_own_answer(word: object, told: dict[int, object]) -> None:
    asked = [("PING",)] * 3 + [Part(("d", "a")), Part(("d", "b"))]
    [parcel] = [parcel for parcel in parcels(asked) if len(parcel.places) > 1]
    heard: dict[int, object] = {}
    parcel.hand_out(word, heard.__setitem__)
    assert heard == told


def test_an_answer_that_is_a_list_is_one_answer_where_nothing_was_shared() -> None:
    heard: dict[int, object] = {}
    [parcel] = parcels([("HMGET", "k", "f", "g")])
    parcel.hand_out([b"1", b"2"], heard.__setitem__)
    assert heard == {0: [b"1", b"2"]}
