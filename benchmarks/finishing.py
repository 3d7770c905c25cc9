"""Tasks finished: how fast one consumer process works off a queue of tasks that do nothing, results stored.

A consumer is frozen while its queue is filled, then let go. A task counts as finished when its result is in the store:
every side's results, and they alone, are keys that expire, and the store counts those.

Forbidden here: measuring what a task does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from benchmarks.contestant import Contestant
from benchmarks.figure import AtLeast, Figure, MoreThan
from benchmarks.machine import IN_FLIGHT, POOL, Ground
from benchmarks.rounds import Measure, play

TASKS: Final = 2000
LOOK_SECONDS: Final = 0.005
PREFORK: Final = "2"
"""How many children Celery forks: one beside the parent would leave it waiting for the other."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A consumer, what fills its queue, and that queue."""

    consumer: Contestant
    filler: Contestant
    queue: str


def measure(ground: Ground) -> list[Figure]:
    """Return the figures of tasks finished."""
    contestants = {name: _rate(ground, entry) for name, entry in _entries(ground).items()}
    found = play("tasks finished", contestants | {"aio-pika": _bare(ground)})
    aims = {"celery": AtLeast(3), "aio-pika": AtLeast(0.6)}
    titles = {
        "celery": "Celery's, solo",
        "prefork": "Celery's, prefork",
        "dramatiq": "Dramatiq's",
        "taskiq": "Taskiq's",
        "faststream": "FastStream's",
        "aio-pika": "messages consumed and acked by bare aio-pika",
    }
    return [
        Figure(
            f"tasks finished / {title}",
            found.ratio("warren", name),
            aims.get(name, MoreThan(1)),
            found.note("warren", name, "a second"),
        )
        for name, title in titles.items()
    ]


def _entries(ground: Ground) -> dict[str, Entry]:
    celery = ("worker", "--loglevel", "error", "--without-gossip", "--without-mingle", "--without-heartbeat")
    celery_filler = ground.peer("celery-fill", "python", "-m", "with_celery")
    return {
        "warren": Entry(
            ground.component("warren-consumer", pool=POOL.name, concurrency=str(IN_FLIGHT)),
            ground.own("fill", "fill"),
            POOL.queue,
        ),
        "celery": Entry(
            ground.peer("celery-solo", "celery", "-A", "with_celery", *celery, "--pool", "solo"),
            celery_filler,
            "peer.celery",
        ),
        "prefork": Entry(
            ground.peer("celery-prefork", "celery", "-A", "with_celery", *celery, "--concurrency", PREFORK),
            celery_filler,
            "peer.celery",
        ),
        "dramatiq": Entry(
            ground.peer("dramatiq", "dramatiq", "with_dramatiq", "--processes", "1", "--threads", "8"),
            ground.peer("dramatiq-fill", "python", "-m", "with_dramatiq"),
            "peer.dramatiq",
        ),
        "taskiq": Entry(
            ground.peer("taskiq", "taskiq", "worker", "with_taskiq:broker", "--workers", "1", "--log-level", "ERROR"),
            ground.peer("taskiq-fill", "python", "-m", "with_taskiq"),
            "peer.taskiq",
        ),
        "faststream": Entry(
            ground.peer("faststream", "faststream", "run", "with_faststream:app"),
            ground.peer("faststream-fill", "python", "-m", "with_faststream"),
            "peer.faststream",
        ),
    }


def _rate(ground: Ground, entry: Entry) -> Measure:
    store = ground.store()

    def finished() -> bool:
        return int(store.info("keyspace").get("db0", {}).get("expires", 0)) >= TASKS

    def once() -> float:
        ground.empty(entry.queue)
        entry.consumer.freeze()
        entry.filler.order(TASKS)
        began = time.perf_counter()
        entry.consumer.thaw()
        ground.until(finished, entry.consumer, every=LOOK_SECONDS)
        return TASKS / (time.perf_counter() - began)

    return once


def _bare(ground: Ground) -> Measure:
    consumer, filler = ground.own("consume", "bare", "consume"), ground.own("bare-fill", "bare", "publish")

    def once() -> float:
        ground.empty("peer.aio-pika")
        filler.order(TASKS)
        return TASKS / consumer.order(TASKS)["seconds"]

    return once
