"""A broker in this process, for tests and for trying things out: real queues, real routing, no network.

It routes by the very topology that RabbitMQ is given. Delays are kept on the clock that it is given.

Forbidden here: anything that RabbitMQ would not do.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from warren.broker import Depth
from warren.broker.frames import publish_frames
from warren.clock import Clock, SystemClock
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.topology import DELAY_LEVELS, DELAY_STEP_MS, EVENTS, LISTEN_PREFIX, MOST_EVENTS, REPLY_PREFIX, Topology

if TYPE_CHECKING:
    from warren.message import Message

DEFAULT_EXCHANGE = ""
FRAME_MAX: Final = 131_072
"""RabbitMQ's own default, in bytes."""


class MemoryDelivery:
    """A message handed out, held until it is settled."""

    def __init__(self, queue: MemoryQueue, message: Message, *, redelivered: bool) -> None:
        self._queue = queue
        self._open = True
        self.message = message
        self.redelivered = redelivered

    @property
    def stale(self) -> bool:
        """Whether it was put back behind its holder's back, as a broker does that lost the connection."""
        return self._open and self not in self._queue.unacked

    async def ack(self) -> None:
        """Settle it for good."""
        if self._open:
            self._open = False
            self._queue.settle(self, requeue=False)

    async def nack(self) -> None:
        """Put it back at the head of its queue."""
        if self._open:
            self._open = False
            self._queue.settle(self, requeue=True)


class MemoryQueue:
    """Messages waiting, and those handed out; past `limit`, the oldest that waits is dropped."""

    def __init__(self, limit: int | None = None) -> None:
        self.ready: deque[tuple[Message, bool]] = deque(maxlen=limit)
        self.unacked: set[MemoryDelivery] = set()
        self.consumers = 0
        self.changed = asyncio.Event()
        self.full = False
        """Whether what is published to it is refused, as a queue does that has reached its greatest length."""

    def push(self, message: Message) -> None:
        """Add a message at the tail."""
        self.ready.append((message, False))
        self.changed.set()

    def pop(self) -> MemoryDelivery:
        """Hand out the head."""
        message, redelivered = self.ready.popleft()
        delivery = MemoryDelivery(self, message, redelivered=redelivered)
        self.unacked.add(delivery)
        return delivery

    def settle(self, delivery: MemoryDelivery, *, requeue: bool) -> None:
        """Forget a delivery, or put its message back."""
        if delivery not in self.unacked:
            return
        self.unacked.discard(delivery)
        if requeue:
            self.ready.appendleft((delivery.message, True))
        self.changed.set()


class MemorySubscription:
    """Deliveries from one queue, at most `prefetch` of them un-acknowledged."""

    def __init__(self, queue: MemoryQueue, prefetch: int, *, acknowledge: bool = False) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._acknowledge = acknowledge
        self._handed_out: set[MemoryDelivery] = set()
        self.consuming = True

    async def __aiter__(self) -> AsyncIterator[MemoryDelivery]:
        """Yield deliveries until stopped."""
        while self.consuming:
            self._handed_out &= self._queue.unacked
            if self._queue.ready and len(self._handed_out) < self._prefetch:
                delivery = self._queue.pop()
                self._handed_out.add(delivery)
                if self._acknowledge:
                    await delivery.ack()
                yield delivery
            else:
                self._queue.changed.clear()
                await self._queue.changed.wait()

    async def stop(self) -> None:
        """Yield no more."""
        self.consuming = False
        self._queue.changed.set()


class MemoryBroker:
    """Exchanges and queues of one topology. `available = False` makes every call fail as if the broker were away."""

    def __init__(self, topology: Topology, clock: Clock | None = None) -> None:
        self._topology = topology
        self._clock = clock or SystemClock()
        self._delayed: list[tuple[float, str, Message]] = []
        self._bindings = {(b.source, b.routing_key): b.destination for b in topology.bindings if not b.to_exchange}
        self.queues = {queue.name: MemoryQueue() for queue in topology.queues}
        self.events: list[tuple[str, Message]] = []
        self._listening: dict[str, tuple[list[str], ...]] = {}
        self._owned: dict[str, MemorySubscription] = {}
        self.available = True

    async def open(self) -> None:
        """Connect: there is nothing to do."""
        self._check()

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool = True) -> None:
        """Route the message to its queue.

        Raises:
            ValueError: it cannot be put on the wire; see `publish_frames`.

        """
        self._check()
        _check_frames(message, exchange, routing_key)
        if exchange == EVENTS:
            self._tell(message, routing_key, mandatory=mandatory)
        elif exchange.startswith("warren.delay."):
            self._delay(message, routing_key)
        else:
            self._route(message, exchange, routing_key, mandatory=mandatory)

    async def announce(self, events: Sequence[tuple[str, Message]]) -> None:
        """Publish events, together; see `Broker`."""
        for routing_key, message in events:
            await self.publish(message, exchange=EVENTS, routing_key=routing_key, mandatory=False)

    def release_due(self) -> None:
        """Move messages whose delay is over to their queues; call it after moving the clock."""
        now = self._clock.now()
        due = [entry for entry in self._delayed if entry[0] <= now]
        self._delayed = [entry for entry in self._delayed if entry[0] > now]
        for _, pool, message in sorted(due, key=lambda entry: entry[0]):
            self.queues[f"warren.tasks.{pool}"].push(message)

    @property
    def delayed(self) -> list[tuple[float, Message]]:
        """Messages under way on the ladder, each with the seconds it still waits."""
        now = self._clock.now()
        return [(due - now, message) for due, _, message in self._delayed]

    @asynccontextmanager
    async def subscribe(self, queue: str, *, prefetch: int) -> AsyncIterator[MemorySubscription]:
        """Consume a queue."""
        self._check()
        if queue not in self.queues:
            raise UnroutableError(f"the queue {queue} does not exist; run: warren topology apply")
        held = self.queues[queue]
        subscription = MemorySubscription(held, prefetch)
        held.consumers += 1
        try:
            yield subscription
        finally:
            held.consumers -= 1
            await subscription.stop()

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, MemorySubscription]]:
        """Declare an exclusive reply queue."""
        name = f"{REPLY_PREFIX}{uuid.uuid4()}"
        async with self._owning(name, MemoryQueue()) as subscription:
            yield name, subscription

    @asynccontextmanager
    async def listen(self, patterns: Sequence[str]) -> AsyncIterator[MemorySubscription]:
        """Hear the events of these patterns."""
        name = f"{LISTEN_PREFIX}{uuid.uuid4()}"
        self._listening[name] = tuple(pattern.split(".") for pattern in patterns)
        try:
            async with self._owning(name, MemoryQueue(MOST_EVENTS)) as subscription:
                yield subscription
        finally:
            del self._listening[name]

    async def lose_connection(self) -> None:
        """End the queues that are a process's own, as a broker does whose connection was lost for a moment."""
        for subscription in self._owned.values():
            await subscription.stop()

    @asynccontextmanager
    async def _owning(self, name: str, queue: MemoryQueue) -> AsyncIterator[MemorySubscription]:
        self._check()
        self.queues[name] = queue
        self._owned[name] = MemorySubscription(queue, 1000, acknowledge=True)
        try:
            yield self._owned[name]
        finally:
            await self._owned.pop(name).stop()
            del self.queues[name]

    async def depth(self, queue: str) -> Depth:
        """Return what a queue holds now; see `Broker`."""
        self._check()
        if queue not in self.queues:
            raise UnroutableError(f"the queue {queue} does not exist; run: warren topology apply")
        held = self.queues[queue]
        return Depth(len(held.ready), held.consumers)

    async def ping(self) -> None:
        """Return if available."""
        self._check()

    async def close(self) -> None:
        """Put back what was handed out."""
        for queue in self.queues.values():
            for delivery in list(queue.unacked):
                await delivery.nack()

    def _check(self) -> None:
        if not self.available:
            raise BrokerUnavailableError("the broker is away")

    def _delay(self, message: Message, routing_key: str) -> None:
        *digits, pool = routing_key.split(".")
        seconds = int("".join(digits[-DELAY_LEVELS:]), 2) * DELAY_STEP_MS / 1000
        if f"warren.tasks.{pool}" not in self.queues:
            raise UnroutableError(f"no queue is bound for the pool {pool!r}; run: warren topology apply")
        self._delayed.append((self._clock.now() + seconds, pool, message))

    def _tell(self, message: Message, routing_key: str, *, mandatory: bool) -> None:
        self.events.append((routing_key, message))
        words = routing_key.split(".")
        heard = [name for name, patterns in self._listening.items() if any(_fits(words, p) for p in patterns)]
        for name in heard:
            self.queues[name].push(message)
        if mandatory and not heard:
            raise UnroutableError(f"nobody listens to {routing_key!r} on {EVENTS!r}")

    def _route(self, message: Message, exchange: str, routing_key: str, *, mandatory: bool) -> None:
        bound = routing_key if exchange == DEFAULT_EXCHANGE else self._bindings.get((exchange, routing_key))
        queue = self.queues.get(bound or "")
        if queue is not None and queue.full:
            raise BrokerUnavailableError(f"the queue {bound} is full", retry_after=5)
        if queue is not None:
            queue.push(message)
        elif mandatory:
            raise UnroutableError(f"no queue is bound for {routing_key!r} on {exchange!r}; run: warren topology apply")


def _check_frames(message: Message, exchange: str, routing_key: str) -> None:
    publish_frames(
        message,
        message.message_id or "",
        exchange=exchange,
        routing_key=routing_key,
        mandatory=True,
        timestamp=int(message.timestamp or 0),
        channel=1,
        frame_max=FRAME_MAX,
    )


def _fits(words: list[str], pattern: list[str]) -> bool:
    """Tell whether a routing key fits a topic pattern: `*` is one word, `#` any number of them."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_fits(words[skipped:], pattern[1:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in {"*", words[0]} and _fits(words[1:], pattern[1:])
