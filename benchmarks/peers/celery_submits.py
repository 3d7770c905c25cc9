"""Celery's confirmed submits per second: `delay` from several threads.

A publish of Celery blocks its thread until the broker has confirmed it, so threads are how many are in flight.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

from orders import obey
from with_celery import app, echo

THREADS = int(os.environ.get("BENCHMARK_THREADS", "8"))
TEXT = "about a hundred bytes, as most arguments of tasks have it: so many that it is neither none nor much"

app.conf.broker_pool_limit = THREADS
threads = ThreadPoolExecutor(THREADS)


def submit(count: int) -> dict[str, float]:
    began = time.perf_counter()
    for _ in threads.map(lambda _: echo.delay(TEXT), range(count)):
        pass
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    obey(submit)
