"""Submits: from the call to the broker's confirm, through Warren's client, Celery and a bare loop of aio-pika.

All publish persistent messages to quorum queues and wait for each confirm. Warren's also writes the task's record, to a
store that syncs each write to its log.

Forbidden here: what is not measured while a submit is under way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from benchmarks.contestant import Contestant
from benchmarks.figure import AtLeast, Figure
from benchmarks.machine import POOL, Ground
from benchmarks.rounds import Measure, play

SUBMITS: Final = 3000
CELERY_SUBMITS: Final = 800


def measure(ground: Ground) -> list[Figure]:
    """Return the figures of submits."""
    found = play(
        "submits",
        {
            "warren": _rate(ground.own("submit", "client", "submit"), SUBMITS, lambda: ground.empty(POOL.queue)),
            "aio-pika": _rate(ground.own("publish", "bare", "publish"), SUBMITS, lambda: ground.empty("peer.aio-pika")),
            "celery": _rate(
                ground.peer("celery-submit", "python", "-m", "celery_submits"),
                CELERY_SUBMITS,
                lambda: ground.empty("peer.celery"),
            ),
        },
    )
    return [
        Figure(
            "client's submits / Celery's, both confirmed",
            found.ratio("warren", "celery"),
            AtLeast(6),
            found.note("warren", "celery", "a second"),
        ),
        Figure(
            "client's submits / bare aio-pika's publishes, both confirmed",
            found.ratio("warren", "aio-pika"),
            AtLeast(0.9),
            found.note("warren", "aio-pika", "a second"),
        ),
    ]


def _rate(submitter: Contestant, count: int, empty: Callable[[], None]) -> Measure:
    def once() -> float:
        empty()
        return count / submitter.order(count)["seconds"]

    return once
