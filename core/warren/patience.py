"""Asking again while something is away: with growing pauses, for as long as whoever asks has patience.

Forbidden here: what is asked.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from warren.errors import RateLimitedError, UnavailableError

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 2.0

T = TypeVar("T")


async def patiently(call: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Make a call that may be repeated until it is answered, for so long at most; return the answer.

    Raises:
        UnavailableError: there was none, and the next try would come too late, or waiting does not help.

    """
    pause, give_up = FIRST_PAUSE_SECONDS, time.monotonic() + seconds
    while True:
        try:
            return await call()
        except UnavailableError as error:
            if error.retry_after is None:
                raise
            longest = math.inf if isinstance(error, RateLimitedError) else LONGEST_PAUSE_SECONDS
            wait = max(pause, min(error.retry_after, longest))  # sooner, a key's limit only refuses once more
            if time.monotonic() + wait > give_up:
                raise
        await asyncio.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def seconds_of(retry_after: str, now: float) -> float | None:
    """Return the seconds that a header `Retry-After` asks for: a number, or a date of HTTP's; None if it is neither."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, OverflowError):
        return None
