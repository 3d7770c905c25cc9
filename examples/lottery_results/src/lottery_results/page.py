"""From a results page to draws: the adapter of selectolax, and where to change what fits another page.

A page that is not as expected is refused as a whole, by the selector and what it should have found: a draw that is
half right is worse than none.

Forbidden here: where the page comes from.
"""

from __future__ import annotations

import datetime as dt
import re
import reprlib
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError
from selectolax.lexbor import LexborHTMLParser, LexborNode

from lottery_results.draw import HIGHEST, NUMBERS, Draw
from warren import Fail

DRAW: Final = "ol.draws > li.draw"
DATE: Final = "time[datetime]"
NUMBER: Final = "ul.numbers > li"
BONUS: Final = ".bonus"


def read_draws(text: str) -> list[Draw]:
    """Return the draws that a page shows, in its order.

    Raises:
        Fail: the page is not as expected; it says which selector found what instead of what.

    """
    draws = LexborHTMLParser(text).css(DRAW)
    if not draws:
        raise _changed("the page", DRAW, "one draw or more", "none")
    return [_read(node, f"draw {place} of {len(draws)}") for place, node in enumerate(draws, start=1)]


def _read(node: LexborNode, where: str) -> Draw:
    [moment] = _found(node, DATE, where, 1, "one date")
    numbers = _found(node, NUMBER, where, NUMBERS, f"{NUMBERS} numbers")
    [bonus] = _found(node, BONUS, where, 1, "one bonus number")
    given = {
        "date": _date(moment, where),
        "numbers": sorted(_number(number, NUMBER, where) for number in numbers),
        "bonus": _number(bonus, BONUS, where),
    }
    try:
        return Draw.model_validate(given)
    except ValidationError as error:
        selector = {"numbers": NUMBER, "bonus": BONUS}.get(_field(error), DRAW)
        expected = f"{NUMBERS + 1} different numbers from 1 to {HIGHEST}"
        raise _changed(
            where, selector, expected, f"{error.errors()[0]['msg']}: {error.errors()[0]['input']}"
        ) from error


def _found(node: LexborNode, selector: str, where: str, count: int, expected: str) -> Sequence[LexborNode]:
    found = node.css(selector)
    if len(found) != count:
        raise _changed(where, selector, expected, f"{len(found)} elements")
    return found


def _number(node: LexborNode, selector: str, where: str) -> int:
    text = node.text(strip=True)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise _changed(where, selector, "a number", reprlib.repr(text))
    return int(text)


def _date(node: LexborNode, where: str) -> dt.date:
    text = node.attributes["datetime"] or ""
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        raise _changed(where, DATE, "a date like 2026-11-18", reprlib.repr(text)) from None


def _field(error: ValidationError) -> str:
    location = error.errors()[0]["loc"]
    return str(location[0]) if location else ""


def _changed(where: str, selector: str, expected: str, found: str) -> Fail:
    return Fail("page-changed", f"{where}: {selector!r} was expected to find {expected}, and found {found}")
