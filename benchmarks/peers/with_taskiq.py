"""Taskiq: a quorum queue, ack when the result is saved, results in Redis.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import os

from orders import obey
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType
from taskiq_redis import RedisAsyncResultBackend

QUEUE = "peer.taskiq"
PREFETCH = int(os.environ.get("BENCHMARK_PREFETCH", "256"))

results = RedisAsyncResultBackend(os.environ["BENCHMARK_STORE"], result_ex_time=3600)
broker = AioPikaBroker(
    os.environ["BENCHMARK_BROKER"],
    exchange=Exchange(name="peer.taskiq"),
    task_queues=[Queue(name=QUEUE, type=QueueType.QUORUM)],
    qos=PREFETCH,
).with_result_backend(results)


@broker.task(task_name="echo")
async def echo(text: str) -> str:
    return text


async def publish(count: int) -> None:
    for start in range(0, count, 200):
        await asyncio.gather(*(echo.kiq("hello") for _ in range(min(200, count - start))))


if __name__ == "__main__":
    with asyncio.Runner() as runner:
        runner.run(broker.startup())
        obey(lambda count: runner.run(publish(count)))
