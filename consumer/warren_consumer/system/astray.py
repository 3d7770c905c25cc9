"""Delayed messages that the ladder had no way for, into records: their pool is not there, or their routing key is none.

Forbidden here: what becomes of any other dead letter; that is `dead_letters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from warren.errors import UnroutableError
from warren.pool import POOL_NAME, Pool
from warren_consumer.closing import fresh
from warren_consumer.system.dead_letters import DeadLetter, DeadLetters, failed
from warren_consumer.system.dead_letters import read as read_letter
from warren_consumer.system.report import POOL_HEADER

if TYPE_CHECKING:
    from warren.broker import Broker, Delivery
    from warren.message import Message
    from warren.records import Records
    from warren_consumer.system.endings import Endings
    from warren_consumer.system.metrics import SystemMetrics

NO_POOL: Final = Pool(name="unknown")
"""Stands for the pool of a message that names none."""


@dataclass(frozen=True, slots=True)
class Astray:
    """Sees to the messages that went astray, each in the name of the pool that it was for."""

    broker: Broker
    records: Records
    endings: Endings
    metrics: SystemMetrics

    async def take(self, delivery: Delivery) -> None:
        """See to one message, then ack it."""
        pool = pool_of(delivery.message.headers)
        letters = DeadLetters(pool, self.broker, self.records, self.endings, self.metrics)
        await letters.settle(delivery, read(delivery.message, pool))


def again(message: Message) -> Message:
    """Return the message as it goes to the end of its queue: its pool is Warren's to remember from then on."""
    return fresh(message, {POOL_HEADER: pool_of(message.headers).name})


def read(message: Message, pool: Pool) -> DeadLetter:
    """Tell what task a message is of, and how it has to end."""
    letter = read_letter(fresh(message), pool)
    if letter.outcome is not None:
        return letter
    detail = (
        f"its delay is over, and there is no queue of a pool {pool.name} to bring it to: name the pool in WARREN_POOLS "
        "and apply the topology, or replay the task into another pool"
    )
    return failed(letter.task, UnroutableError.code, detail)


def pool_of(headers: Mapping[str, Any]) -> Pool:
    """Return the pool that a message was for: the last word of the key under which it was delayed."""
    deaths = headers.get("x-death")
    newest = deaths[0] if isinstance(deaths, list) and deaths else {}
    keys = newest.get("routing-keys") if isinstance(newest, Mapping) else None
    said = str(keys[0]).rpartition(".")[2] if isinstance(keys, list) and keys else headers.get(POOL_HEADER)
    return Pool(name=said) if isinstance(said, str) and POOL_NAME.fullmatch(said) else NO_POOL
