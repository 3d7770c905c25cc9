"""Tasks that every `serve` pool knows, to see that it works: `echo` and `sleep`.

Forbidden here: anything that a pool could depend on.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

from pydantic import Field

from warren.attempt import report_progress
from warren.function import task

PROGRESS_SECONDS: Final = 0.2


@task()
async def echo(text: str) -> str:
    """Return the text."""
    return text


@task()
async def sleep(seconds: Annotated[float, Field(ge=0, le=1200)]) -> float:
    """Wait, telling the progress, and return how many seconds passed."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        report_progress(passed / seconds, f"{passed:.1f} of {seconds:g} s")
        await asyncio.sleep(min(PROGRESS_SECONDS, seconds - passed))
    return passed
