"""Orphans: tasks that nobody will ever do, since no message and no lease stands behind their records.

A record is taken for one when it has not changed for two minutes and the queues in which its message could lie have
been empty for four minutes, by the broker's own figures. What those figures do not show is covered:

- A message on the delay ladder is in no queue that is looked at. Where the record says so (a delay, a retry) it is not
  stale before its due time. Where it does not, a message is put back for 31 s in all (a task that no consumer knows),
  for a minute (one that must be alone) or to the end of another's lease, and has been back for long when four minutes
  are over.
- An outage of the broker stops the ladder: on each of the lower levels the message then waits in full, however late it
  is already. So the broker must have told of the ladder without a break for as long as the record's delay, too.
- What a full queue refuses, or one without a leader, is offered again after three minutes; until then the queue that
  it came from holds it.
- A task that waits in a consumer until that one holds nothing else is un-acknowledged there: its queue is not empty.
- A result that a worker in another language published may wait in `warren.results` when its task's message is gone.
- Records that MLJobs own are the operator's: the sweep never names them.
- Figures stand still where a queue has lost its leader. So each queue itself is asked once more, right before the end.

Forbidden here: taking what is not known for empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import UnavailableError
from warren.record import State, TaskError
from warren.topology import DELAY_LEVELS, RESULTS, delay_exchange
from warren_consumer.system.emptiness import Emptiness

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.pool import Pool
    from warren.record import Record
    from warren.records import Records
    from warren_consumer.depths import QueueDepths

EVERY_SECONDS: Final = 5.0
EMPTY_SECONDS: Final = 240.0
"""Longer than the 180 s after which RabbitMQ's dead lettering offers a message again that was not taken."""

LADDER: Final = tuple(delay_exchange(level) for level in range(DELAY_LEVELS))
LOST: Final = TaskError(
    code="lost",
    message="the task's message is gone: its queue was empty for minutes, and no consumer works on it. Was the queue "
    "purged, or the broker's data lost? The task may be submitted again",
)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Orphans:
    """Knows which queues are empty, and ends what is lost."""

    records: Records
    broker: Broker
    depths: QueueDepths
    pools: Iterable[Pool]
    empty_seconds: float = EMPTY_SECONDS
    now: Callable[[], float] = time.monotonic
    _queues: dict[str, tuple[str, ...]] = field(init=False)
    _emptiness: Emptiness = field(init=False, default_factory=Emptiness)
    _blind: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Note where a pool's messages may lie."""
        self._queues = {pool.name: (pool.queue, pool.due_queue, pool.dead_letter_queue, RESULTS) for pool in self.pools}

    async def look(self) -> None:
        """Note what the queues hold; call it every few seconds."""
        try:
            depths = await self.depths.read()
        except UnavailableError as error:
            self._emptiness.observe({}, self.now())
            if not self._blind:
                log.warning("lost tasks are not looked for", problem=error.detail)
            self._blind = True
        else:
            self._emptiness.observe(depths, self.now())
            self._blind = False

    async def end(self, stale: Sequence[Record]) -> list[str]:
        """End those of the stale records that are lost, and return their ids.

        Raises:
            UnavailableError: the rest is left for the next time.

        """
        late = [record for record in stale if self._is_due_back(record)]
        named = {record.pool for record in late}
        pools = [pool for pool in named if self._seems_empty(pool) and await self._empty(pool)]
        return [record.id for record in late if record.pool in pools and await self.records.abandon(record, LOST)]

    def _is_due_back(self, record: Record) -> bool:
        """Tell whether the message has left the ladder, if it went there: an outage may have made it late."""
        return self._emptiness.known_seconds(LADDER, self.now()) >= self.empty_seconds + _delay(record)

    def _seems_empty(self, pool: str) -> bool:
        queues = self._queues.get(pool)
        return queues is not None and self._emptiness.seconds(queues, self.now()) >= self.empty_seconds

    async def _empty(self, pool: str) -> bool:
        depths = [await self.broker.depth(queue) for queue in self._queues[pool]]
        return not any(depth.ready for depth in depths)


def _delay(record: Record) -> float:
    """Return for how long the record's message was last sent to the ladder, as far as the record says so."""
    sent = (record.state is State.RETRYING and record.changed_at) or record.submitted_at or 0.0
    return max(0.0, (record.due_at or 0.0) - sent)
