"""A Celery worker as its own documentation has it for late acknowledgement; it knows nothing of Warren.

Forbidden here: imports of anything but Celery.
"""

import os
import time

from celery import Celery


def carve(seconds: float) -> None:
    """Work for a while."""
    time.sleep(seconds)


def application(broker: str, queue: str) -> Celery:
    """Return Celery's application, with its one task."""
    app = Celery("carvers", broker=broker)
    app.conf.update(
        broker_connection_retry_on_startup=True,
        task_acks_late=True,
        task_default_queue=queue,
        worker_enable_remote_control=False,
        worker_prefetch_multiplier=1,
    )
    app.task(name="carve")(carve)
    return app


if __name__ == "__main__":
    alone = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
    application(os.environ["BROKER"], os.environ["QUEUE"]).Worker(pool="solo", loglevel="INFO", **alone).start()
