"""A duty that is done message by message: many at once, each to its end, whatever another one meets.

A message that met a fault goes to the end of its queue after a pause. Put back by a nack it would come again before all
others, and a handful of such messages would keep the rest from ever being seen; the broker would also count its returns
and drop it at the thousandth.

Forbidden here: what the messages mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from warren.errors import UnavailableError
from warren.message import essential

if TYPE_CHECKING:
    from prometheus_client import Counter

    from warren.broker import Broker, Delivery, Subscription
    from warren.message import Message
    from warren_consumer.system.metrics import SystemMetrics

SUBSCRIBE_AGAIN_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 10.0
"""How long a message that met a fault is kept before it goes to the end of its queue."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Stream:
    """Takes the messages of one queue, `at_once` of them side by side."""

    name: str
    """What the duty is called in logs and metrics."""
    queue: str
    at_once: int
    take: Callable[[Delivery], Awaitable[None]]
    """Sees to a message and acks it."""
    again: Callable[[Message], Message]
    """The message as it goes to the end of its queue."""
    broker: Broker
    metrics: SystemMetrics
    again_seconds: float = AGAIN_SECONDS
    _subscription: Subscription | None = field(init=False, default=None)
    _faults: Counter = field(init=False)

    def __post_init__(self) -> None:
        """Let the count begin at 0."""
        self._faults = self.metrics.faults.labels(self.name)

    @property
    def consuming(self) -> bool:
        """Whether the broker really delivers the queue's messages now."""
        return self._subscription is not None and self._subscription.consuming

    async def run(self) -> None:
        """Take messages, until cancelled."""
        while True:
            try:
                await self._consume()
            except UnavailableError as error:
                log.warning("a queue is not read", queue=self.queue, problem=error.detail)
            except Exception:
                log.exception("reading a queue met a fault; it is tried again", queue=self.queue)
                self._faults.inc()
            self._subscription = None
            await asyncio.sleep(SUBSCRIBE_AGAIN_SECONDS)

    async def _consume(self) -> None:
        async with (
            self.broker.subscribe(self.queue, prefetch=self.at_once) as subscription,
            asyncio.TaskGroup() as group,
        ):
            self._subscription = subscription
            async for delivery in subscription:
                group.create_task(self._see_to(delivery))

    async def _see_to(self, delivery: Delivery) -> None:
        try:
            await self.take(delivery)
        except UnavailableError as error:
            log.warning("a message is left for later", queue=self.queue, problem=error.detail)
        except Exception:
            log.exception("a message met a fault and is left for later", **self._named(delivery))
            self._faults.inc()
        else:
            return
        await asyncio.sleep(self.again_seconds)
        await self._put_last(delivery)

    async def _put_last(self, delivery: Delivery) -> None:
        try:
            await self._publish_last(delivery)
        except UnavailableError:
            await delivery.nack()
        except Exception:
            log.exception("a message cannot be published, and is put back", **self._named(delivery))
            self._faults.inc()
            await delivery.nack()
        else:
            await delivery.ack()

    async def _publish_last(self, delivery: Delivery) -> None:
        """Publish to the end of the queue; what cannot be published as it is, without the headers of others."""
        again = self.again(delivery.message)
        try:
            await self.broker.publish(again, exchange="", routing_key=self.queue)
        except UnavailableError:
            raise
        except Exception:
            log.exception("a message cannot be published as it is", **self._named(delivery))
            await self.broker.publish(essential(again), exchange="", routing_key=self.queue)

    def _named(self, delivery: Delivery) -> dict[str, str | None]:
        return {"queue": self.queue, "message": delivery.message.message_id}
