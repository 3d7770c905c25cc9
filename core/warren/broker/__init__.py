"""The message broker: one interface, two adapters.

`amqp` speaks to RabbitMQ through aio-pika; `memory` holds the same semantics in this process. A publish returns when
the broker has confirmed the message, and a delivery stays the broker's until it is acknowledged.

Forbidden here: what a message means. That is `warren.message`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from warren.message import Message


@dataclass(frozen=True, slots=True)
class Depth:
    """What a queue holds at one moment."""

    ready: int
    """Messages that wait for a consumer; those handed out are not among them."""
    consumers: int


class Delivery(Protocol):
    """A message that the broker handed to this process and holds until it is settled; that happens once."""

    @property
    def message(self) -> Message:
        """What was published."""

    @property
    def redelivered(self) -> bool:
        """Whether the broker had handed it to a consumer before."""

    @property
    def stale(self) -> bool:
        """Whether the channel that it came on is gone, so that the broker has put it back already."""

    async def ack(self) -> None:
        """Settle it for good. A delivery whose channel is gone was put back already: that is no error."""

    async def nack(self) -> None:
        """Put it back, for another consumer. Only for closing: a failure is never a nack."""


class Subscription(Protocol):
    """A stream of deliveries from one queue; it survives reconnects, unless the queue is this process's own."""

    def __aiter__(self) -> AsyncIterator[Delivery]:
        """Yield deliveries until the subscription is closed."""

    @property
    def consuming(self) -> bool:
        """Whether the broker really delivers to this process at this moment."""

    async def stop(self) -> None:
        """Take no more deliveries; those not yet iterated are put back, those handed out stay."""


class Broker(Protocol):
    """A connection to the broker (two of them: one publishes, one consumes)."""

    async def publish(self, message: Message, *, exchange: str, routing_key: str, mandatory: bool = True) -> None:
        """Publish and return when the broker has confirmed.

        Raises:
            UnroutableError: no queue is bound for the key (mandatory messages only).
            BrokerUnavailableError: no connection, an alarm, a refusal (full queue) or no confirm in time.

        """

    async def announce(self, events: Sequence[tuple[str, Message]]) -> None:
        """Publish events, each with its routing key, for whoever listens; return when they are on their way.

        One that the broker does not take is lost without a word.

        Raises:
            BrokerUnavailableError: there is no connection.

        """

    def subscribe(self, queue: str, *, prefetch: int) -> AbstractAsyncContextManager[Subscription]:
        """Consume a queue that the topology declared, with at most `prefetch` deliveries un-acknowledged."""

    def replies(self) -> AbstractAsyncContextManager[tuple[str, Subscription]]:
        """Declare this process's own exclusive reply queue; return its name and its (self-acknowledging) stream.

        The stream ends when the connection is lost: enter anew, and the queue has another name.
        """

    def listen(self, patterns: Sequence[str]) -> AbstractAsyncContextManager[Subscription]:
        """Hear the events whose routing key fits one of the topic patterns (`task.#`, `task.failed.*`).

        Events are best effort: the oldest are dropped for one that falls behind, and the stream, which needs no
        acknowledgement, ends when the connection is lost: enter anew.

        Raises:
            UnroutableError: the topology was not applied.
            BrokerUnavailableError: no connection, or no answer in time.

        """

    async def depth(self, queue: str) -> Depth:
        """Return what a queue holds now.

        Raises:
            UnroutableError: there is no such queue.
            BrokerUnavailableError: no connection, or no answer within a second.

        """

    async def ping(self) -> None:
        """Return if the broker answers.

        Raises:
            BrokerUnavailableError: it does not.

        """

    async def close(self) -> None:
        """Close the connections; un-acknowledged deliveries are put back by the broker."""
