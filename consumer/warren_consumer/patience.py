"""Patience: what is done while a dependency is away.

Forbidden here: knowing which dependency.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from warren.errors import UnavailableError

T = TypeVar("T")

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


async def insist(call: Callable[[], Awaitable[T]], *, what: str, until: Callable[[], bool] | None = None) -> T | None:
    """Repeat the call until the dependency answers, and return the answer; None once `until` holds.

    `what` is what the call is for, as the log says it.
    """
    pause = FIRST_PAUSE_SECONDS
    while until is None or not until():
        try:
            return await call()
        except UnavailableError as error:
            if pause == FIRST_PAUSE_SECONDS:
                log.warning("waiting for a dependency", what=what, problem=error.detail)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, keeps no secret
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return None


async def insist_for(seconds: float, call: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Repeat the call for so long at most, and return the answer.

    Raises:
        UnavailableError: the dependency is away for longer.

    """
    give_up = time.monotonic() + seconds
    answer = await insist(call, what=what, until=lambda: time.monotonic() > give_up)
    return await call() if answer is None else answer
