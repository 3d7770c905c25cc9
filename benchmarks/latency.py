"""Latency of an idle system: from the submit to the result, beside a message there and a reply back.

Both publish with confirm to a quorum queue, a consumer of its own process answers, and the answer comes through a reply
queue. Warren's also writes and reads the task's record.

Forbidden here: load.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from benchmarks.contestant import Contestant
from benchmarks.figure import AtMost, Figure
from benchmarks.machine import POOL, Ground
from benchmarks.rounds import ROUNDS, WARM_UP, Rounds, play

ROUND_TRIPS: Final = 200
PERCENTILES: Final = ("p50", "p99")


def measure(ground: Ground) -> list[Figure]:
    """Return the figures of latency."""
    ground.component("warren-consumer", pool=POOL.name)
    ground.own("pong", "bare", "pong")
    sides = {
        "warren": ground.own("submit-and-wait", "client", "submit-and-wait"),
        "amqp": ground.own("ping", "bare", "ping"),
    }
    ground.empty(POOL.queue, "peer.aio-pika")
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}

    def once(name: str, side: Contestant) -> float:
        taken[name].append(side.order(ROUND_TRIPS))
        return taken[name][-1]["p50"]

    play("latency", {name: partial(once, name, side) for name, side in sides.items()}, ROUNDS)
    return [_figure(percentile, taken) for percentile in PERCENTILES]


def _figure(percentile: str, taken: dict[str, list[dict[str, float]]]) -> Figure:
    found = Rounds({name: [round_[percentile] for round_ in rounds[WARM_UP:]] for name, rounds in taken.items()})
    return Figure(
        f"idle latency, submit to result, {percentile} / AMQP there and back",
        found.ratio("warren", "amqp"),
        AtMost(2.5),
        found.note("warren", "amqp", "us", 1e6),
    )
