"""Celery: a quorum queue, confirmed publishes, acks_late, results in Redis.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import os

from celery import Celery
from orders import obey

QUEUE = "peer.celery"

app = Celery("peer", broker=os.environ["BENCHMARK_BROKER"], backend=os.environ["BENCHMARK_STORE"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",  # what Celery asks for beside quorum queues
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=int(os.environ.get("BENCHMARK_PREFETCH", "256")),
)


@app.task(name="echo")
def echo(text: str) -> str:
    return text


def publish(count: int) -> None:
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(count):
            echo.apply_async(("hello",), producer=producer)


if __name__ == "__main__":
    # Not what is measured here: a queue is filled as fast as can be.
    app.conf.broker_transport_options = {"confirm_publish": False}
    obey(publish)
