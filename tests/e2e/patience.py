"""Waiting for something to become true, with an end and with words for what was missing."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], *, seconds: float, every: float = 0.3) -> T:
    """Return the first thing other than None and False that `look` returns.

    Raises:
        AssertionError: it did not come within `seconds`; the message says what was waited for.

    """
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return found
