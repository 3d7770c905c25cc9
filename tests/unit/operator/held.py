"""An API server that takes its time for one Deployment, or fails for it in a way that nobody thought of."""

from __future__ import annotations

import asyncio

from warren.clock import Clock
from warren_operator.cluster import ClusterRefusedError, ClusterUnavailableError, Document, Kind, Scale
from warren_operator.cluster.memory import MemoryCluster


class HeldCluster(MemoryCluster):
    """An API server that takes its time for one Deployment."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.held: tuple[str, str] = ("", "")
        """What it takes its time for, a read or a write, and of which Deployment."""
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.broken: set[str] = set()
        """Deployments whose scale cannot be read, for no reason that has a name."""
        self.vanishing = ""
        """A pool that is deleted right before it is read."""
        self.denied: set[str] = set()
        """Deployments and pods that a policy lets nobody change."""
        self.hidden: set[str] = set()
        """Deployments whose scale the operator's Role lets it not read."""
        self.read_only = False
        """Whether the operator's Role lets it change no status."""
        self.short_lived = ""
        """A Deployment that is deleted right before it is scaled."""
        self.unanswered = ""
        """A Deployment of which the next write is done, but not answered."""
        self.away = False
        """Whether no Deployment's scale can be read just now."""
        self.looks = 0
        """How often a scale was read."""

    def hold(self, verb: str, deployment: str) -> None:
        """Hold calls of this kind until `go_on` is set."""
        self.held = (verb, deployment)
        self.reached.clear()
        self.go_on.clear()

    async def get(self, kind: Kind, name: str) -> Document:
        """Return it, or what comes of one that vanishes."""
        if name == self.vanishing:
            self.remove(kind, name)
        return await super().get(kind, name)

    async def write_status(self, kind: Kind, document: Document, status: Document) -> Document:
        """Write it, where the Role allows that."""
        if self.read_only:
            raise ClusterRefusedError(f"the Kubernetes API refused the status of {kind}: 403 Forbidden")
        return await super().write_status(kind, document, status)

    async def scale(self, deployment: str) -> Scale:
        """Answer when it may."""
        self.looks += 1
        if self.away:
            raise ClusterUnavailableError("the API server does not answer")
        if deployment in self.broken:
            raise RuntimeError(deployment)
        if deployment in self.hidden:
            raise ClusterRefusedError(f"the Kubernetes API refused {deployment!r}: 403 Forbidden: cannot get scale")
        await self._hold("read", deployment)
        return await super().scale(deployment)

    async def write_scale(self, deployment: str, replicas: int) -> None:
        """Answer when it may; it is written by then."""
        self._admit(deployment)
        if deployment == self.short_lived:
            del self.deployments[deployment]
        self.looks -= 1  # the one in memory reads before it writes
        await super().write_scale(deployment, replicas)
        if deployment == self.unanswered:
            self.unanswered = ""
            raise ClusterUnavailableError(f"the Kubernetes API does not answer ({deployment!r})")
        await self._hold("write", deployment)

    async def write_cost(self, pod: str, cost: int) -> None:
        """Write it, where a policy allows that."""
        self._admit(pod)
        await super().write_cost(pod, cost)

    def _admit(self, name: str) -> None:
        if name in self.denied:
            raise ClusterRefusedError(f"the Kubernetes API refused {name!r}: 403 Forbidden: denied by policy")

    async def _hold(self, verb: str, deployment: str) -> None:
        if self.held == (verb, deployment):
            self.reached.set()
            await self.go_on.wait()
