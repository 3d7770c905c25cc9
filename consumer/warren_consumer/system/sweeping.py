"""Sweeping: records whose submission never came through are deleted, and their idempotency keys are free again.

Forbidden here: records that were accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from warren.records import Records

EVERY_SECONDS: Final = 30.0
UNACCEPTED_SECONDS: Final = 300.0
"""How long a submission may take to come through."""
AT_ONCE: Final = 1000

log = structlog.get_logger(__name__)


class Sweeping:
    """Deletes what was never accepted."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def once(self) -> None:
        """Delete all that is too old.

        Raises:
            RecordsUnavailableError: the rest is left for the next time.

        """
        while swept := await self._records.sweep(older_than_seconds=UNACCEPTED_SECONDS, limit=AT_ONCE):
            log.info("records that were never accepted were swept", count=len(swept))
