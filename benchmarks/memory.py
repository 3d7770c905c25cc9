"""Memory: what a waiting request holds in the producer, and whether tasks that are done hold any.

Forbidden here: Python's own counts; what the kernel says the process holds is what a pod is killed for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from rich.progress import track

from benchmarks.contestant import Contestant
from benchmarks.figure import AtMost, Figure
from benchmarks.machine import API_PORT, IN_FLIGHT, POOL, Ground, answers
from benchmarks.ratio import Ratio
from benchmarks.requests import BODY
from benchmarks.rounds import ROUNDS, play
from tools.stack.server import LOOPBACK

WAITING_EACH: Final = 200
BARE_PORT: Final = API_PORT + 1
CHECKS: Final = 10


def measure(ground: Ground, tasks: int) -> list[Figure]:
    """Return the figures of memory; `tasks` go through producer and consumer for those about tasks that are done."""
    with ground.scene():
        waiting = _waiting(ground)
    with ground.scene():
        return [waiting, *_flat(ground, tasks)]


def _waiting(ground: Ground) -> Figure:
    """Compare requests that wait for tasks which nobody works on with requests that wait for nothing at all."""
    producer, url = ground.api()
    bare = ground.own("waiting-api", "waiting_api", str(BARE_PORT))
    bare_url = f"http://{LOOPBACK}:{BARE_PORT}"
    ground.until(partial(answers, f"{bare_url}/healthz"), bare)
    waits = ground.own("waits", "waits", f"{url}/v1/tasks", "POST", BODY, "Prefer: wait=60", loads=True)
    bare_waits = ground.own("bare-waits", "waits", f"{bare_url}/wait", "POST", BODY, loads=True)
    ground.empty(POOL.queue)
    found = play(
        "requests that wait",
        {"warren": _growth(producer, waits), "bare": _growth(bare, bare_waits)},
        ROUNDS,
    )
    return Figure(
        "memory of a request that waits for a task / of one that waits for nothing, same server",
        found.ratio("warren", "bare"),
        AtMost(3),
        found.note("warren", "bare", "KiB each", 1 / 1024),
    )


def _growth(server: Contestant, waits: Contestant) -> Callable[[], float]:
    def once() -> float:
        before = server.resident_bytes()
        waits.order(WAITING_EACH)
        # Memory comes in pages: a round that fits into what is there already has grown by one.
        return max(4096, server.resident_bytes() - before) / WAITING_EACH

    return once


def _flat(ground: Ground, tasks: int) -> list[Figure]:
    """Compare what the processes hold with what they held after the first tenth of the tasks."""
    producer, url = ground.api()
    consumer = ground.component("warren-consumer", pool=POOL.name, concurrency=str(IN_FLIGHT))
    load = ground.own("load", "load", f"{url}/v1/tasks", "POST", BODY, loads=True)
    ground.empty(POOL.queue)
    held: dict[str, list[float]] = {"producer": [], "consumer": []}
    for _ in track(range(CHECKS + 1), f"{tasks} tasks"):
        load.order(tasks // CHECKS)
        held["producer"].append(producer.resident_bytes())
        held["consumer"].append(consumer.resident_bytes())
    return [_growth_figure(name, tasks, said) for name, said in held.items()]


def _growth_figure(name: str, tasks: int, held: list[float]) -> Figure:
    first, *later = held
    ratios = [found / first for found in later]
    return Figure(
        f"memory of the {name} after {tasks} more tasks / before",
        Ratio(ratios[-1], min(ratios), max(ratios), min(ratios), max(ratios)),
        AtMost(1.1),
        f"{held[-1] / 2**20:,.0f} and {first / 2**20:,.0f} MiB",
    )
