"""The task.

Forbidden here: how the page is had and what is on it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Annotated

from pydantic import Field

from lottery_results import settings
from lottery_results.draw import Draw
from lottery_results.page import read_draws
from lottery_results.web import fetch
from warren import task
from warren.errors import UnreachableError


@task(
    pool="lottery-results",
    max_attempts=5,
    timeout_seconds=60,
    # A page that has changed is as changed a minute later: only who did not answer is asked again.
    retry_on=(UnreachableError,),
    retry_backoff_seconds=10,
)
async def lottery_results(
    since: dt.date | None = None,
    most: Annotated[int, Field(ge=1, le=100)] = 10,
) -> list[Draw]:
    """Return the latest draws of the results page, the latest first, none from before a day."""
    text = await fetch(settings.load())
    draws = await asyncio.to_thread(read_draws, text)
    wanted = [draw for draw in draws if since is None or draw.date >= since]
    return sorted(wanted, key=lambda draw: draw.date, reverse=True)[:most]
