"""A stage for the worker: in-memory broker, records and objects on one clock that moves when told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from warren.broker.frames import publish_frames
from warren.broker.memory import FRAME_MAX, MemoryBroker, MemoryDelivery, MemoryQueue
from warren.clock import ManualClock
from warren.message import Message
from warren.objects.memory import MemoryObjects
from warren.payloads import Payloads
from warren.pool import Pool
from warren.record import Record
from warren.records.memory import MemoryRecords
from warren.submission import Submitter
from warren.tasks import Payload, Task, TaskOptions
from warren.topology import topology
from warren_consumer.closing import Closing
from warren_consumer.events import Events
from warren_consumer.handler import Context
from warren_consumer.handlers import Registration
from warren_consumer.metrics import Metrics
from warren_consumer.results import Results
from warren_consumer.worker import Terms, Worker

Work = Callable[[Context], Coroutine[Any, Any, Payload]]
POOL = Pool(name="cpu")
BUCKET = "warren"
REPLIES = "warren.reply.test"
METHOD_BYTES = 17
"""The frame that goes before that of the properties, without the names of exchange and routing key."""


class Stage:
    """All that a worker stands on, and the workers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(topology([POOL]), self.clock)
        self.broker.queues[REPLIES] = MemoryQueue()
        self.records = MemoryRecords(self.clock)
        self.objects = MemoryObjects()
        self.events = Events(self.broker)
        self.metrics = Metrics(POOL.name)
        self.registrations: dict[str, Registration] = {}
        self.gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.began: list[str] = []
        self.ended: list[str] = []
        self.canceled: list[str] = []

    def knows(self, name: str, handler: Work, **terms: Any) -> None:
        """Teach the workers a task."""
        self.registrations[name] = Registration(handler, **terms)

    def knows_work(self, name: str = "work", **terms: Any) -> None:
        """Teach the workers a task that lasts until its gate is opened, and that leaves traces."""

        async def work(context: Context) -> Payload:
            self.began.append(context.task.id)
            try:
                await self.gates[name].wait()
            except asyncio.CancelledError:
                self.canceled.append(context.task.id)
                raise
            self.ended.append(context.task.id)
            return Payload(b'"done"')

        self.knows(name, work, **terms)

    def worker(self, consumer: str = "c1", concurrency: int = 2) -> Worker:
        """Return a worker that has yet to be run."""
        results = Results(self.objects, BUCKET)
        closing = Closing(POOL, self.broker, self.records, results, self.events, result_ttl_seconds=3600)
        terms = Terms(POOL, consumer, concurrency)
        payloads = Payloads(self.objects, BUCKET)
        return Worker(
            terms, self.broker, self.records, self.registrations, payloads, closing, self.events, self.metrics
        )

    @asynccontextmanager
    async def working(self, consumer: str = "c1", concurrency: int = 2) -> AsyncIterator[Worker]:
        """Run a worker meanwhile."""
        worker = self.worker(consumer, concurrency)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            await worker.stop()
            await worker.drain(finish_seconds=0, hurry=asyncio.Event(), hand_back_seconds=1)
            await running

    async def submit(
        self, name: str = "work", body: bytes = b"{}", *, caller: str | None = None, **options: Any
    ) -> Task:
        """Submit a task that wants a reply, as a client does, or the API for a key of this name."""
        valid = TaskOptions.model_validate(options)
        task = Task(name, POOL.name, Payload(body), valid, caller=caller, reply_to=REPLIES)
        await Submitter(self.broker, self.records, Payloads(self.objects, BUCKET)).submit(task)
        return task

    async def record(self, task: Task) -> Record:
        """Return the task's record."""
        found = (await self.records.read([task.id]))[0]
        assert found is not None
        return found

    def advance(self, seconds: float) -> None:
        """Let time pass, for the store and for delayed messages."""
        self.clock.advance(seconds)
        self.broker.release_due()

    def redeliver(self) -> MemoryDelivery:
        """Put back the one un-acknowledged message, as a broker does that lost the connection."""
        delivery = next(iter(self.queue.unacked))
        self.queue.settle(delivery, requeue=True)
        return delivery

    @property
    def gate(self) -> asyncio.Event:
        """What the task `work` waits for."""
        return self.gates["work"]

    @property
    def queue(self) -> MemoryQueue:
        """The pool's queue."""
        return self.broker.queues[POOL.queue]

    @property
    def empty(self) -> bool:
        """Whether no message of the pool is left anywhere."""
        return not self.queue.ready and not self.queue.unacked and not self.broker.delayed

    @property
    def dead(self) -> list[Message]:
        """The pool's dead letters."""
        return [message for message, _ in self.broker.queues[POOL.dead_letter_queue].ready]

    @property
    def replies(self) -> list[Message]:
        """The replies that were published."""
        return [message for message, _ in self.broker.queues[REPLIES].ready]


def crowded(message: Message) -> Message:
    """Return the message as a client sends it whose own headers leave no room for another one."""
    alone = replace(message, body=b"", headers={**message.headers, "author": ""})
    written = publish_frames(
        alone,
        message.message_id or "",
        exchange="",
        routing_key="",
        mandatory=True,
        timestamp=0,
        channel=1,
        frame_max=FRAME_MAX,
    )
    room = FRAME_MAX - len(written) + METHOD_BYTES
    return replace(message, headers={**message.headers, "author": "x" * room})


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait for something that is about to happen."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.001)


async def nothing_happens(seconds: float = 0.02) -> None:
    """Give everything that could happen the time to do so."""
    await asyncio.sleep(seconds)
