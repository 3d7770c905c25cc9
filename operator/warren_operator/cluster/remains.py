"""What Helm's hooks need of the Kubernetes API beyond the operator's own calls: the release's pods, the kinds served.

Forbidden here: what is to become of them.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Final, Protocol

from warren.resources import GROUP, VERSION
from warren_operator.cluster import Cluster, Kind, ResourceNotFoundError
from warren_operator.cluster.api import ApiCluster, faults
from warren_operator.cluster.memory import MemoryCluster
from warren_operator.permissions import Call

_TIMEOUT_SECONDS: Final = 10.0


class Remains(Cluster, Protocol):
    """A namespace in which a release is being installed, or was."""

    async def served(self) -> frozenset[Kind]:
        """Return Warren's kinds that the API server serves."""

    async def pods(self, labels: Mapping[str, str]) -> builtins.list[str]:
        """Return the names of the pods with these labels that have not ended."""

    async def hurry(self, pod: str, grace_seconds: int) -> None:
        """Delete a pod, one that is being deleted too, with no more than this grace."""


class ApiRemains(ApiCluster):
    """A namespace on an API server."""

    async def served(self) -> frozenset[Kind]:
        """Return Warren's kinds that the API server serves."""
        try:
            with faults(f"the kinds of {GROUP}"):
                found = await self._custom.get_api_resources(GROUP, VERSION, _request_timeout=_TIMEOUT_SECONDS)
        except ResourceNotFoundError:
            return frozenset()
        names = {resource.name for resource in found.resources}
        return frozenset(kind for kind in Kind if kind.value in names)

    async def pods(self, labels: Mapping[str, str]) -> builtins.list[str]:
        """Return the names of the pods with these labels that have not ended."""
        with faults("the list of pods"):
            found = await self._core.list_namespaced_pod(
                self._namespace,
                label_selector=",".join(f"{name}={value}" for name, value in labels.items()),
                field_selector="status.phase!=Succeeded,status.phase!=Failed",
                _request_timeout=_TIMEOUT_SECONDS,
            )
        return [str(pod.metadata.name) for pod in found.items if pod.metadata]

    async def hurry(self, pod: str, grace_seconds: int) -> None:
        """Delete a pod, one that is being deleted too, with no more than this grace."""
        with faults(f"the pod {pod}"):
            await self._core.delete_namespaced_pod(
                pod, self._namespace, grace_period_seconds=grace_seconds, _request_timeout=_TIMEOUT_SECONDS
            )


class MemoryRemains(MemoryCluster):
    """A namespace in a dictionary, with the labels and the remaining grace of its pods."""

    def __init__(self, kinds: frozenset[Kind] = frozenset(Kind)) -> None:
        super().__init__()
        self.kinds = kinds
        self.running: dict[str, dict[str, str]] = {}
        """The labels of each pod that has not ended."""
        self.hurried: dict[str, int] = {}
        """The pods that were told to hurry, with their grace in seconds."""

    def label(self, kind: Kind, name: str, labels: Mapping[str, str]) -> None:
        """Do what `kubectl label` does."""
        found = self._find(kind, name)
        self._store(kind, {**found, "metadata": {**found["metadata"], "labels": dict(labels)}})

    async def served(self) -> frozenset[Kind]:
        """Return the kinds that it was told to serve; every account may ask, so no Role has to allow it."""
        return self.kinds

    async def pods(self, labels: Mapping[str, str]) -> builtins.list[str]:
        """Return the names of the pods with these labels."""
        self.calls.add(Call("", "pods", "list"))
        return [name for name, its in self.running.items() if labels.items() <= its.items()]

    async def hurry(self, pod: str, grace_seconds: int) -> None:
        """Note that the pod was told."""
        self.calls.add(Call("", "pods", "delete"))
        if pod not in self.running:
            raise ResourceNotFoundError(f"there is no pod {pod}")
        self.hurried[pod] = grace_seconds
