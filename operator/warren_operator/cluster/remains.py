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

    async def retire(self, labels: Mapping[str, str], grace_seconds: int) -> None:
        """Delete the Deployments with these labels, and their pods with this grace instead of their own."""


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
                label_selector=_selector(labels),
                field_selector="status.phase!=Succeeded,status.phase!=Failed",
                _request_timeout=_TIMEOUT_SECONDS,
            )
        return [str(pod.metadata.name) for pod in found.items if pod.metadata]

    async def retire(self, labels: Mapping[str, str], grace_seconds: int) -> None:
        """Delete the Deployments with these labels, and their pods with this grace instead of their own.

        A kubelet that has begun to stop a container takes no shorter grace any more. So the pods are deleted first of
        all, and what would make them anew is gone before: Deployments and ReplicaSets without their dependents.
        """
        selector = _selector(labels)
        with faults("the consumers"):
            for delete in (
                self._apps.delete_collection_namespaced_deployment,
                self._apps.delete_collection_namespaced_replica_set,
            ):
                await delete(
                    self._namespace,
                    label_selector=selector,
                    propagation_policy="Orphan",
                    _request_timeout=_TIMEOUT_SECONDS,
                )
            await self._core.delete_collection_namespaced_pod(
                self._namespace,
                label_selector=selector,
                grace_period_seconds=grace_seconds,
                _request_timeout=_TIMEOUT_SECONDS,
            )


class MemoryRemains(MemoryCluster):
    """A namespace in a dictionary, with the labels and the remaining grace of its pods."""

    def __init__(self, kinds: frozenset[Kind] = frozenset(Kind)) -> None:
        super().__init__()
        self.kinds = kinds
        self.running: dict[str, dict[str, str]] = {}
        """The labels of each pod that has not ended."""
        self.retired: dict[str, int] = {}
        """The pods that were deleted, with their grace in seconds."""

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

    async def retire(self, labels: Mapping[str, str], grace_seconds: int) -> None:
        """Note the grace of the pods with these labels."""
        self.calls |= {Call("apps", kind, "deletecollection") for kind in ("deployments", "replicasets")}
        self.calls.add(Call("", "pods", "deletecollection"))
        self.retired |= {pod: grace_seconds for pod, its in self.running.items() if labels.items() <= its.items()}


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
