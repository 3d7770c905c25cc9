"""What the system pool is put together from: its duties over the ports.

Forbidden here: adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warren.clock import Clock, SystemClock
from warren.topology import ASTRAY, RESULTS
from warren_consumer.closing import fresh
from warren_consumer.replies import Replies
from warren_consumer.results import Results
from warren_consumer.system import astray, dead_letters, leftovers, orphans, overdue, reports, sweeping
from warren_consumer.system.duties import Duties, Duty
from warren_consumer.system.endings import Endings
from warren_consumer.system.round import Round
from warren_consumer.system.stream import Stream
from warren_consumer.system.webhooks.courier import Courier
from warren_consumer.system.webhooks.post import Post

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warren.broker import Broker
    from warren.objects import ObjectStore
    from warren.outbound.transport import Outbound
    from warren.pool import Pool
    from warren.records import Records
    from warren_consumer.depths import QueueDepths
    from warren_consumer.events import Events
    from warren_consumer.system.metrics import SystemMetrics
    from warren_consumer.system.webhooks.signature import Signer


@dataclass(frozen=True, slots=True)
class Means:
    """What the system pool works with."""

    pools: tuple[Pool, ...]
    broker: Broker
    records: Records
    objects: ObjectStore
    bucket: str
    events: Events
    metrics: SystemMetrics
    depths: QueueDepths | None
    """None: lost tasks are not looked for."""
    result_ttl_seconds: float
    outbound: Outbound
    signer: Signer
    clock: Clock = field(default_factory=SystemClock)

    @property
    def replies(self) -> Replies:
        """The way to those who asked."""
        return Replies(self.broker, self.records)

    @property
    def endings(self) -> Endings:
        """The way to all who want to know how a task ended."""
        return Endings(self.records, self.replies, self.events, result_ttl_seconds=self.result_ttl_seconds)


def assemble(means: Means) -> Duties:
    """Return the system pool's duties."""
    replying = (_overdue(means), _webhooks(means))
    return Duties((*_open_records(means), *replying, _reports(means), *_dead_letters(means), _leftovers(means)))


def _open_records(means: Means) -> Iterator[Duty]:
    lost = None
    if means.depths is not None:
        lost = orphans.Orphans(means.records, means.broker, means.depths, means.pools)
        yield Round("orphans", orphans.EVERY_SECONDS, lost.look, means.metrics)
    duty = sweeping.Sweeping(means.records, lost, means.endings, means.metrics)
    yield Round("sweeping", sweeping.EVERY_SECONDS, duty.once, means.metrics)


def _overdue(means: Means) -> Duty:
    duty = overdue.Overdue(means.records, means.replies, result_ttl_seconds=means.result_ttl_seconds)
    return Round("overdue", overdue.EVERY_SECONDS, duty.once, means.metrics)


def _webhooks(means: Means) -> Duty:
    return Courier(means.records, Post(means.outbound, means.signer, means.clock), means.metrics)


def _reports(means: Means) -> Duty:
    duty = reports.Reports(
        means.pools, means.records, Results(means.objects, means.bucket), means.endings, means.metrics
    )
    return Stream("results", RESULTS, reports.AT_ONCE, duty.take, fresh, means.broker, means.metrics)


def _dead_letters(means: Means) -> Iterator[Duty]:
    for pool in means.pools:
        duty = dead_letters.DeadLetters(pool, means.broker, means.records, means.endings, means.metrics)
        queue, at_once = pool.dead_letter_queue, dead_letters.AT_ONCE
        yield Stream("dead-letters", queue, at_once, duty.take, duty.again, means.broker, means.metrics)
    lost = astray.Astray(means.broker, means.records, means.endings, means.metrics)
    yield Stream("astray", ASTRAY, dead_letters.AT_ONCE, lost.take, astray.again, means.broker, means.metrics)


def _leftovers(means: Means) -> Duty:
    duty = leftovers.Leftovers(means.objects, means.bucket, means.records, means.metrics)
    return Round("leftovers", leftovers.EVERY_SECONDS, duty.once, means.metrics)
