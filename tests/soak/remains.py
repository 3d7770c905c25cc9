"""What is left behind when everything has ended: messages, due replies, and the memory of processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis

from tests.soak.site import Site
from tools.stack import web
from warren.records.redis import DUE, OPEN

WARM_SECONDS = 30.0
MOST_GROWTH_MIB = 48.0


@dataclass
class Memory:
    """The resident memory of each process over time, in MiB, by name and pid."""

    samples: dict[tuple[str, int], list[tuple[float, float]]] = field(default_factory=dict)

    def sample(self, site: Site) -> None:
        """Look once."""
        for process in site.processes:
            pid = process.process.pid
            if pid is not None and (size := _resident(pid)) is not None:
                self.samples.setdefault((process.spec.name, pid), []).append((time.monotonic(), size))

    def growth(self) -> dict[str, tuple[float, float]]:
        """Return size once warm and size at the end, of the processes that lived on for a while after."""
        found = {}
        for (name, pid), samples in self.samples.items():
            warm = [size for at, size in samples if at - samples[0][0] >= WARM_SECONDS]
            if len(warm) > 1:
                found[f"{name} ({pid})"] = (warm[0], warm[-1])
        return found


def left(site: Site) -> dict[str, int]:
    """Return how many messages, due replies and unaccepted records are left, by where they are; nothing where none."""
    answer = web.call("GET", f"{site.servers.management_url()}api/queues/%2F?columns=name,messages", timeout=10)
    found = {queue["name"]: queue.get("messages", 0) for queue in answer.json()}
    with redis.Redis.from_url(site.servers.records_url) as store:
        found |= {key: int(store.zcard(key)) for key in (DUE, OPEN)}
    return {where: count for where, count in found.items() if count}


def wait_until_empty(site: Site, seconds: float, tick: Callable[[], None]) -> dict[str, int]:
    """Return what is left after so many seconds, or nothing as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while (rest := left(site)) and time.monotonic() < deadline:
        tick()
        time.sleep(1)
    return rest


def _resident(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)
