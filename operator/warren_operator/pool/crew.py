"""The pods of a pool: which of them goes first, and which finds no node.

Forbidden here: how many there are to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from warren_operator.cluster import Pod, ResourceNotFoundError

if TYPE_CHECKING:
    from warren_operator.cluster import Cluster
    from warren_operator.figures import Consumers

LOOK_SECONDS: Final = 10.0
"""How often the pods of a pool that are not all up are looked at."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The pods of a pool as they were last looked at."""

    ready: int = 0
    """How many are ready."""
    complaint: str = ""
    """What the scheduler says of those that it found no node for; empty: there are none."""


class Crews:
    """The pods of all pools."""

    def __init__(self, cluster: Cluster, consumers: Consumers) -> None:
        self._cluster = cluster
        self._consumers = consumers
        self._seen: dict[str, tuple[float, Crew]] = {}

    async def rank(self, selector: str, busy: Mapping[str, int], concurrency: int, *, ours: bool) -> None:
        """Give each pod a deletion cost by what it works on, so that of those that go the idle ones are the first.

        Each is asked now; of one that does not answer, `busy` says what it did when it was last scraped. Where nobody
        says anything, as consumers of others (not `ours`) do not, nothing is written.
        """
        if not selector:  # no selector is every pod's
            return
        pods = await self._cluster.pods_of(selector)
        told = {**busy, **await self._consumers.running([pod.endpoint for pod in pods if pod.endpoint])}
        if not (told or ours):
            return
        costs = ranked(pods, told, concurrency)
        await asyncio.gather(*(self._write(pod, cost) for pod, cost in costs.items()))

    async def look(self, selector: str, now: float) -> Crew:
        """Return how the pods stand, or stood `LOOK_SECONDS` ago at most."""
        if not selector:
            return Crew()
        at, crew = self._seen.get(selector, (now - LOOK_SECONDS, Crew()))
        if now - at >= LOOK_SECONDS:
            pods = await self._cluster.pods_of(selector)
            crew = Crew(sum(pod.ready for pod in pods), complained(pods))
            self._seen[selector] = (now, crew)
        return crew

    def forget(self, selector: str) -> None:
        """Forget how the pods stood: they stand otherwise by now."""
        self._seen.pop(selector, None)

    async def _write(self, pod: str, cost: int) -> None:
        try:
            await self._cluster.write_cost(pod, cost)
        except ResourceNotFoundError:
            return  # it has gone by itself


def ranked(pods: Iterable[Pod], busy: Mapping[str, int], concurrency: int) -> dict[str, int]:
    """Return the costs that are to be written: those that differ from what was written for an earlier scale-down.

    A pod that says nothing of itself counts as busy with all its slots.
    """
    hosts = {address.rpartition(":")[0].strip("[]"): count for address, count in busy.items()}
    costs = {pod: hosts.get(pod.address, hosts.get(pod.name, concurrency)) for pod in pods}
    return {pod.name: cost for pod, cost in costs.items() if pod.cost != str(cost)}


def complained(pods: Iterable[Pod]) -> str:
    """Return the scheduler's words about the pods that it found no node for."""
    waiting = [pod for pod in pods if pod.unschedulable]
    if not waiting:
        return ""
    return f"{len(waiting)} pod(s), {waiting[0].name} for one, find no node: {waiting[0].unschedulable}"
