"""Two ways of bringing a task into its queue, each returning once the broker has confirmed it.

Both publish the same body as a persistent, mandatory message to the same quorum queue, from one process and one event
loop, with as many in flight. Warren's also writes the task's record to a store that syncs each write to its log.

Forbidden here: counting and timing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import aio_pika

from tools.stack.serverset import ServerSet
from warren.broker.amqp import AmqpBroker
from warren.records.redis import RedisRecords
from warren.submission import Submitter
from warren.tasks import JSON, Payload, Task
from warren.topology import TASKS

POOL: Final = "cpu"
BODY: Final = b'{"numbers": [5.1, 3.5, 1.4, 0.2], "label": "about a hundred bytes, as most arguments of tasks have it"}'

Submit = Callable[[], Awaitable[object]]


@asynccontextmanager
async def through_warren(servers: ServerSet) -> AsyncIterator[Submit]:
    """Submit with Warren's own procedure: record, confirmed publish, record accepted."""
    broker, records = AmqpBroker(servers.broker_url()), RedisRecords(servers.records_url)
    submitter = Submitter(broker, records)
    try:
        yield lambda: submitter.submit(Task("benchmark", POOL, Payload(BODY)))
    finally:
        await broker.close()
        await records.close()


@asynccontextmanager
async def through_aio_pika(servers: ServerSet) -> AsyncIterator[Submit]:
    """Publish with confirm and nothing else: what a program without Warren would do at best."""
    async with await aio_pika.connect_robust(servers.broker_url()) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(TASKS)
        persistent = aio_pika.DeliveryMode.PERSISTENT
        yield lambda: exchange.publish(
            aio_pika.Message(BODY, content_type=JSON, delivery_mode=persistent), POOL, mandatory=True
        )
