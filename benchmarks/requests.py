"""Requests: submits over HTTP to one producer process, beside a constant endpoint of the same application.

Forbidden here: measuring the load generator; it runs on another core, and does next to nothing.
"""

from __future__ import annotations

from typing import Final

from benchmarks.contestant import Contestant
from benchmarks.figure import AtLeast, Figure
from benchmarks.machine import POOL, Ground
from benchmarks.rounds import Measure, play

SUBMITS: Final = 1500
CONSTANTS: Final = 3000
BODY: Final = '{"task":"echo","args":{"text":"a hundred bytes or so, which is what most arguments of tasks come to"}}'


def measure(ground: Ground) -> list[Figure]:
    """Return the figure of requests."""
    _, url = ground.api()
    submits = ground.own("load-submits", "load", f"{url}/v1/tasks", "POST", BODY, loads=True)
    constants = ground.own("load-constants", "load", f"{url}/healthz", "GET", loads=True)
    found = play("HTTP", {"submits": _rate(ground, submits, SUBMITS), "constants": _rate(ground, constants, CONSTANTS)})
    return [
        Figure(
            "HTTP submits / requests of a constant endpoint",
            found.ratio("submits", "constants"),
            AtLeast(0.5),
            found.note("submits", "constants", "a second"),
        )
    ]


def _rate(ground: Ground, load: Contestant, count: int) -> Measure:
    def once() -> float:
        ground.empty(POOL.queue)
        return count / load.order(count)["seconds"]

    return once
