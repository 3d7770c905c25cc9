"""Dramatiq: durable classic queues (it knows no quorum queues), persistent messages, results in Redis.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from orders import obey

QUEUE = "peer.dramatiq"

# Its own client would be thrown out while it waits for orders: it answers heartbeats only when it is used.
broker = RabbitmqBroker(url=os.environ["BENCHMARK_BROKER"] + ("?heartbeat=0" if __name__ == "__main__" else ""))
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["BENCHMARK_STORE"])))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUE, store_results=True)
def echo(text: str) -> str:
    return text


def publish(count: int) -> None:
    for _ in range(count):
        echo.send("hello")


if __name__ == "__main__":
    obey(publish)
