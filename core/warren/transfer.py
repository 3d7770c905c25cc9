"""Moving waiting tasks from one pool's queue to another's: for a queue whose pool is gone.

Message by message: noted in its record, published to the other pool and confirmed, then acknowledged. Whatever dies in
between, a message is in one of the two queues, or for a moment in both, which its record makes harmless; done again, it
goes on. The record comes first: one whose message waits in another pool than it names would be taken for lost.

Forbidden here: imports of adapters, deleting queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from warren.topology import TASKS

if TYPE_CHECKING:
    from warren.broker import Broker, Delivery, Subscription
    from warren.records import Records

IDLE_SECONDS: Final = 2.0
"""How long nothing must come before the queue counts as empty."""

AT_ONCE: Final = 100
"""How many messages are under way at once."""


async def transfer(  # noqa: PLR0913 - what, from where, to where
    broker: Broker,
    records: Records,
    old: str,
    new: str,
    *,
    limit: int | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Move the tasks that wait in the pool `old` to the pool `new`, at most `limit`; return how many.

    `report` is told the count so far, after each message.

    Raises:
        UnroutableError: the queue of one of the pools does not exist.
        BrokerUnavailableError: the broker is away; what was moved until then stays moved.
        RecordsUnavailableError: likewise the record store.

    """
    moved = 0

    async def move(delivery: Delivery) -> None:
        nonlocal moved
        if delivery.message.message_id:
            await records.move(delivery.message.message_id, new)
        await broker.publish(delivery.message, exchange=TASKS, routing_key=new)
        await delivery.ack()
        moved += 1
        report(moved)

    moves: set[asyncio.Task[None]] = set()
    async with broker.subscribe(f"{TASKS}.{old}", prefetch=AT_ONCE) as subscription:
        async with aclosing(_until_empty(subscription, limit)) as deliveries:
            async for delivery in deliveries:
                moves.add(asyncio.create_task(move(delivery)))
                if len(moves) == AT_ONCE:
                    await asyncio.gather(*moves)
                    moves.clear()
        await asyncio.gather(*moves)
    return moved


async def _until_empty(subscription: Subscription, limit: int | None) -> AsyncGenerator[Delivery, None]:
    deliveries, count = aiter(subscription), 0
    while limit is None or count < limit:
        following = asyncio.ensure_future(anext(deliveries))
        done, _ = await asyncio.wait({following}, timeout=IDLE_SECONDS)
        if not done:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            return
        yield following.result()
        count += 1
