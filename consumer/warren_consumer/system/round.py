"""A duty that is done at intervals, whatever it meets.

Forbidden here: what the duty is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from warren.errors import UnavailableError

if TYPE_CHECKING:
    from warren_consumer.system.metrics import SystemMetrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """Does a duty every so many seconds; one that fails is done again at its next time."""

    name: str
    every_seconds: float
    duty: Callable[[], Awaitable[None]]
    metrics: SystemMetrics

    @property
    def consuming(self) -> bool:
        """It waits for no queue."""
        return True

    async def run(self) -> None:
        """Do the duty again and again, until cancelled."""
        faults = self.metrics.faults.labels(self.name)
        while True:
            try:
                await self.duty()
            except UnavailableError as error:
                log.warning("a duty is left for its next time", duty=self.name, problem=error.detail)
            except Exception:
                log.exception("a duty met a fault and is left for its next time", duty=self.name)
                faults.inc()
            await asyncio.sleep(self.every_seconds)
