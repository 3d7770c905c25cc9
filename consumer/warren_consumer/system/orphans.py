"""Orphans: tasks that nobody will ever do, since no message and no lease stands behind their records.

A record is taken for one when it has not changed for two minutes and the queues in which its message could lie have
been empty for two minutes, by the broker's own figures. What those figures do not show is covered:

- A message on the delay ladder is in no queue that is looked at. Where the record says so (a delay, a retry) it is not
  stale before its due time. Where it does not, a message is put back for 31 s in all (a task that no consumer knows)
  or to the end of another's lease, and has been back for long when two minutes are over.
- A task that waits in a consumer until that one holds nothing else is un-acknowledged there: its queue is not empty.
- A result that a worker in another language published may wait in `warren.results` when its task's message is gone.
- Records that MLJobs own are the operator's: the sweep never names them.

Forbidden here: taking what is not known for empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import UnavailableError
from warren.record import TaskError
from warren.topology import RESULTS
from warren_consumer.system.emptiness import Emptiness

if TYPE_CHECKING:
    from warren.pool import Pool
    from warren.record import Record
    from warren.records import Records
    from warren_consumer.depths import QueueDepths

EVERY_SECONDS: Final = 5.0
EMPTY_SECONDS: Final = 120.0
LOST: Final = TaskError(
    code="lost",
    message="the task's message is gone: its queue was empty for minutes, and no consumer works on it. Was the queue "
    "purged, or the broker's data lost? The task may be submitted again",
)

log = structlog.get_logger(__name__)


class Orphans:
    """Knows which queues are empty, and ends what is lost."""

    def __init__(
        self,
        records: Records,
        depths: QueueDepths,
        pools: Iterable[Pool],
        *,
        empty_seconds: float = EMPTY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records = records
        self._depths = depths
        self._queues = {pool.name: (pool.queue, pool.dead_letter_queue, RESULTS) for pool in pools}
        self._empty_seconds = empty_seconds
        self._now = now
        self._emptiness = Emptiness()
        self._blind = False

    async def look(self) -> None:
        """Note what the queues hold; call it every few seconds."""
        try:
            depths = await self._depths.read()
        except UnavailableError as error:
            self._emptiness.observe({}, self._now())
            if not self._blind:
                log.warning("lost tasks are not looked for", problem=error.detail)
            self._blind = True
        else:
            self._emptiness.observe(depths, self._now())
            self._blind = False

    async def end(self, stale: Sequence[Record]) -> list[str]:
        """End those of the stale records that are lost, and return their ids.

        Raises:
            RecordsUnavailableError: the rest is left for the next time.

        """
        return [record.id for record in stale if self._lost(record) and await self._records.abandon(record, LOST)]

    def _lost(self, record: Record) -> bool:
        queues = self._queues.get(record.pool)
        return queues is not None and self._emptiness.seconds(queues, self._now()) >= self._empty_seconds
