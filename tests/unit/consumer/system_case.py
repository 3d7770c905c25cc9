"""The system pool over in-memory adapters, for its unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry

from tests.unit.consumer.stage import BUCKET, POOL, REPLIES, Stage
from warren.broker.memory import MemoryDelivery
from warren.message import Message, encode_task
from warren.objects.memory import MemoryObjects
from warren.outbound.addresses import Allowed
from warren.outbound.transport import Outbound
from warren.record import Record
from warren.records import UNACCEPTED_SECONDS
from warren.tasks import Payload, Task
from warren.webhook import new_secret
from warren_consumer.depths.memory import MemoryDepths
from warren_consumer.results import Results
from warren_consumer.system.assembly import Means
from warren_consumer.system.dead_letters import DeadLetters
from warren_consumer.system.leftovers import Leftovers
from warren_consumer.system.metrics import SystemMetrics
from warren_consumer.system.orphans import Orphans
from warren_consumer.system.overdue import Overdue
from warren_consumer.system.reports import Reports
from warren_consumer.system.stream import Stream
from warren_consumer.system.sweeping import Sweeping
from warren_consumer.system.webhooks.signature import Signer

TTL = 3600.0
SECRET = new_secret()
"""What webhooks are signed with."""
REJECTED = {"x-death": [{"reason": "rejected", "count": 1, "queue": POOL.queue}]}


class SystemCase(Stage):
    """A stage with the system pool's duties on it."""

    def __init__(self) -> None:
        super().__init__()
        self.objects = MemoryObjects(clock=self.clock)
        self.registry = CollectorRegistry()
        self.means = Means(
            (POOL,),
            self.broker,
            self.records,
            self.objects,
            BUCKET,
            self.events,
            SystemMetrics(self.registry),
            MemoryDepths(self.broker),
            TTL,
            Outbound(Allowed.parse(["127.0.0.1"])),
            Signer([SECRET]),
            self.clock,
        )
        self.orphans = Orphans(self.records, self.broker, MemoryDepths(self.broker), [POOL], now=self.clock.now)
        self.sweeping = Sweeping(self.records, self.orphans, self.means.endings, self.means.metrics)
        self.overdue = Overdue(self.records, self.means.replies, result_ttl_seconds=TTL)
        self.dead_letters = DeadLetters(POOL, self.broker, self.records, self.means.endings, self.means.metrics)
        self.leftovers = Leftovers(self.objects, BUCKET, self.records, self.means.metrics, self.clock)
        results = Results(self.objects, BUCKET)
        self.reports = Reports([POOL], self.records, results, self.means.endings, self.means.metrics)

    def counted(self, name: str, value: str) -> float:
        """Return what a counter of the system pool says under its one label's value."""
        (label,) = next(
            sample.labels for family in self.registry.collect() for sample in family.samples if sample.name == name
        )
        return self.registry.get_sample_value(name, {label: value}) or 0.0

    async def told(self) -> list[str]:
        """Return the keys of the events that were told."""
        await self.events.flush()
        return [key for key, _ in self.broker.events if key.startswith("task.")]

    async def accepted(self, **options: Any) -> Task:
        """Submit a task whose message is lost then."""
        task = await self.submit(**options)
        self.queue.ready.clear()
        return task

    async def look_on(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass while the queues' depths are looked at, and sweep."""
        for _ in range(int(seconds / step)):
            self.advance(step)
            await self.orphans.look()
        await self.sweeping.once()

    async def bury(self, message: Message) -> MemoryDelivery:
        """Let the system pool see to a message in the dead-letter queue."""
        queue = self.broker.queues[POOL.dead_letter_queue]
        queue.push(message)
        delivery = queue.pop()
        await self.dead_letters.take(delivery)
        assert not queue.ready
        assert not queue.unacked
        return delivery

    async def report(self, task: Task, body: bytes = b"1", **headers: Any) -> None:
        """Let the system pool see to the result of a worker that is not Python's."""
        message = Message(body, message_id=task.id, type=task.name, headers={"warren-pool": task.pool, **headers})
        await self.reported(message)

    async def reported(self, message: Message) -> None:
        """Let the system pool see to a message in the queue of results."""
        queue = self.broker.queues["warren.results"]
        queue.push(message)
        await self.reports.take(queue.pop())
        assert not queue.unacked

    def stream(self, take: Any, at_once: int = 10) -> Stream:
        """Return a stream of the pool's dead letters."""
        return Stream(
            "dead-letters",
            POOL.dead_letter_queue,
            at_once,
            take,
            self.dead_letters.again,
            self.broker,
            self.means.metrics,
            again_seconds=0.01,
        )


def with_headers(task: Task, headers: Mapping[str, Any]) -> Message:
    """Return the task's message with headers that were added on its way."""
    message = encode_task(task)
    return replace(message, headers={**message.headers, **headers})


def wanted(name: str = "work", **fields: Any) -> Task:
    """Return a task that wants a reply, and that nobody has submitted."""
    return Task(name, POOL.name, Payload(), reply_to=REPLIES, **fields)


def summary(record: Record) -> tuple[str, str | None]:
    """Return how the record ended, and the error's code."""
    return record.state.value, record.error.code if record.error else None


LONG = UNACCEPTED_SECONDS + 5
"""After so long the sweep looks at a record that was submitted."""
