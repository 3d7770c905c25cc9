"""FastStream: a quorum queue, ack after the work; the handler keeps its result in Redis, as its users would.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import os

from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from orders import obey
from redis.asyncio import Redis

PREFETCH = int(os.environ.get("BENCHMARK_PREFETCH", "256"))

queue = RabbitQueue("peer.faststream", queue_type=QueueType.QUORUM, durable=True)
broker = RabbitBroker(os.environ["BENCHMARK_BROKER"], default_channel=Channel(prefetch_count=PREFETCH), logger=None)
app = FastStream(broker)
store = Redis.from_url(os.environ["BENCHMARK_STORE"])


@broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
async def echo(text: str, message: RabbitMessage) -> None:
    await store.set(f"result:{message.message_id}", text, ex=3600)


async def publish(count: int) -> None:
    for start in range(0, count, 200):
        together = range(min(200, count - start))
        await asyncio.gather(*(broker.publish("hello", queue, persist=True) for _ in together))


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.run(broker.connect())
        runner.run(broker.declare_queue(queue))
        obey(lambda count: runner.run(publish(count)))
