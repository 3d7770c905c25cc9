"""Sweeping: open records whose time has come.

Never accepted, they are deleted and their idempotency keys are free again; past their expiry, they end as expired;
forgotten, they may be orphans.

Forbidden here: deciding which record is what; the step in the store does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from warren.records import UNACCEPTED_SECONDS

if TYPE_CHECKING:
    from warren.record import Swept
    from warren.records import Records
    from warren_consumer.system.endings import Endings
    from warren_consumer.system.metrics import SystemMetrics
    from warren_consumer.system.orphans import Orphans

EVERY_SECONDS: Final = 2.0
"""How late a task that nobody takes expires. A step looks at nothing but what is due to be looked at."""

STALE_SECONDS: Final = 120.0
AT_ONCE: Final = 1000
TOLD_AT_ONCE: Final = 100

log = structlog.get_logger(__name__)


class Sweeping:
    """Looks at the open records."""

    def __init__(
        self,
        records: Records,
        orphans: Orphans | None,
        endings: Endings,
        metrics: SystemMetrics,
        *,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._records = records
        self._orphans = orphans
        self._endings = endings
        self._metrics = metrics
        self._stale_seconds = stale_seconds

    async def once(self) -> None:
        """See to all whose time has come.

        Raises:
            UnavailableError: the rest is left for the next time.

        """
        full = True
        while full:
            swept = await self._records.sweep(
                unaccepted_seconds=UNACCEPTED_SECONDS, stale_seconds=self._stale_seconds, limit=AT_ONCE
            )
            await self._see_to(swept)
            full = swept.looked >= AT_ONCE

    async def _see_to(self, swept: Swept) -> None:
        self._metrics.records.labels("deleted").inc(len(swept.deleted))
        if swept.deleted:
            log.info("records that were never accepted were swept", count=len(swept.deleted))
        if swept.expired:
            log.info("tasks expired that nobody took", count=len(swept.expired))
        # The message of an expired task lies in a queue or on the ladder yet; that of a lost one is gone.
        await self._tell("expired", swept.expired, message_gone=False)
        lost = await self._orphans.end(swept.stale) if self._orphans else []
        for task_id in lost:
            log.warning("a task was lost; it ended as failed", task=task_id)
        await self._tell("lost", lost, message_gone=True)

    async def _tell(self, fate: str, task_ids: list[str], *, message_gone: bool) -> None:
        self._metrics.records.labels(fate).inc(len(task_ids))
        for first in range(0, len(task_ids), TOLD_AT_ONCE):
            await self._endings.tell(task_ids[first : first + TOLD_AT_ONCE], message_gone=message_gone)
