"""An API server in this process, for tests and rehearsals: resource versions, conflicts, finalizers, generations.

Forbidden here: anything that a real API server would not do.
"""

from __future__ import annotations

import builtins
import copy
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from warren.clock import Clock, SystemClock
from warren.resources import API_VERSION, GROUP
from warren_operator.cluster import ConflictError, Document, Kind, Listing, Notice, Pod, ResourceNotFoundError, Scale
from warren_operator.permissions import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {Kind.MLJOB: "MLJob", Kind.CONSUMER_POOL: "ConsumerPool"}


class MemoryCluster:
    """Resources of one namespace in a dictionary."""

    def __init__(self, clock: Clock | None = None, namespace: str = "warren") -> None:
        self._clock = clock or SystemClock()
        self._namespace = namespace
        self._version = 0
        self._documents: dict[tuple[Kind, str], dict[str, Any]] = {}
        self.deployments: dict[str, Scale] = {}
        """The Deployments that there are."""
        self.crews: dict[str, dict[str, Pod]] = {}
        """The pods by the selector of their Deployment's scale, and by name."""
        self.notices: list[tuple[str, Notice]] = []
        """The Events posted so far, each with its resource's name."""
        self.calls: set[Call] = set()
        """What a Role would have to allow for what was done so far."""

    def create(self, kind: Kind, name: str, spec: Mapping[str, Any]) -> Document:
        """Do what a user's `kubectl create` does."""
        if (kind, name) in self._documents:
            raise ConflictError(f"{kind}/{name} exists")
        metadata = {
            "name": name,
            "namespace": self._namespace,
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": self._time(),
        }
        document = {"apiVersion": API_VERSION, "kind": _KINDS[kind], "metadata": metadata, "spec": dict(spec)}
        return self._store(kind, document)

    def edit(self, kind: Kind, name: str, **fields: object) -> Document:
        """Do what a user's `kubectl patch` of the spec does."""
        document = copy.deepcopy(self._find(kind, name))
        document["spec"].update(fields)
        document["metadata"]["generation"] += 1
        return self._store(kind, document)

    def annotate(self, kind: Kind, name: str, annotations: Mapping[str, str]) -> Document:
        """Do what a user's `kubectl annotate` does: these are the annotations from now on."""
        document = copy.deepcopy(self._find(kind, name))
        document["metadata"]["annotations"] = dict(annotations)
        return self._store(kind, document)

    def remove(self, kind: Kind, name: str) -> None:
        """Do what a user's `kubectl delete` does: mark it, and let it go once it has no finalizers."""
        document = copy.deepcopy(self._find(kind, name))
        document["metadata"].setdefault("deletionTimestamp", self._time())
        self._store(kind, document)

    def document(self, kind: Kind, name: str) -> Document:
        """Do what a user's `kubectl get` does."""
        return copy.deepcopy(self._find(kind, name))

    async def list(self, kind: Kind) -> Listing:
        """Return all resources of the kind."""
        self._called(kind, "list")
        items = tuple(copy.deepcopy(document) for (its, _), document in self._documents.items() if its is kind)
        return Listing(items, self._version)

    async def get(self, kind: Kind, name: str) -> Document:
        """Return one resource."""
        self._called(kind, "get")
        return copy.deepcopy(self._find(kind, name))

    async def write_status(self, kind: Kind, document: Document, status: Document) -> Document:
        """Replace the status of the resource as it was read."""
        self._called(kind, "patch", "status")
        return self._store(kind, {**self._unchanged(kind, document), "status": copy.deepcopy(dict(status))})

    async def write_finalizers(self, kind: Kind, document: Document, finalizers: tuple[str, ...]) -> Document:
        """Replace the finalizers of the resource as it was read."""
        self._called(kind, "patch")
        found = self._unchanged(kind, document)
        return self._store(kind, {**found, "metadata": {**found["metadata"], "finalizers": [*finalizers]}})

    async def delete(self, kind: Kind, document: Document) -> None:
        """Delete this very resource."""
        self._called(kind, "delete")
        name = document["metadata"]["name"]
        if self._find(kind, name)["metadata"]["uid"] != document["metadata"]["uid"]:
            raise ConflictError(f"{kind}/{name} is another one now")
        self.remove(kind, name)

    async def scale(self, deployment: str) -> Scale:
        """Return a Deployment's scale."""
        self.calls.add(Call("apps", "deployments/scale", "get"))
        if deployment not in self.deployments:
            raise ResourceNotFoundError(f"there is no Deployment {deployment!r} in the namespace {self._namespace!r}")
        return self.deployments[deployment]

    async def write_scale(self, deployment: str, replicas: int) -> None:
        """Set a Deployment's number of replicas; its pods are there at once."""
        self.calls.add(Call("apps", "deployments/scale", "patch"))
        known = await self.scale(deployment)
        self.deployments[deployment] = replace(known, wanted=replicas, present=replicas)

    async def pods_of(self, selector: str) -> builtins.list[Pod]:
        """Return the pods of this selector."""
        self.calls.add(Call("", "pods", "list"))
        return list(self.crews.get(selector, {}).values())

    async def write_cost(self, pod: str, cost: int) -> None:
        """Set what deleting the pod costs."""
        self.calls.add(Call("", "pods", "patch"))
        crew = next((crew for crew in self.crews.values() if pod in crew), None)
        if crew is None:
            raise ResourceNotFoundError(f"there is no pod {pod!r} in the namespace {self._namespace!r}")
        crew[pod] = replace(crew[pod], cost=str(cost))

    async def notify(self, document: Document, notice: Notice) -> None:
        """Keep the Event."""
        self.calls.add(Call("", "events", "create"))
        self.notices.append((document["metadata"]["name"], notice))

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _called(self, kind: Kind, verb: str, subresource: str = "") -> None:
        resource = f"{kind.value}/{subresource}" if subresource else kind.value
        self.calls.add(Call(GROUP, resource, verb))

    def _find(self, kind: Kind, name: str) -> dict[str, Any]:
        if (kind, name) not in self._documents:
            raise ResourceNotFoundError(f"there is no {kind}/{name} in the namespace {self._namespace!r}")
        return self._documents[kind, name]

    def _unchanged(self, kind: Kind, document: Document) -> dict[str, Any]:
        found = copy.deepcopy(self._find(kind, document["metadata"]["name"]))
        if found["metadata"]["resourceVersion"] != document["metadata"]["resourceVersion"]:
            raise ConflictError(f"{kind}/{document['metadata']['name']} has changed since it was read")
        return found

    def _store(self, kind: Kind, document: dict[str, Any]) -> Document:
        self._version += 1
        metadata = document["metadata"] | {"resourceVersion": str(self._version)}
        document = {**document, "metadata": metadata}
        key = (kind, metadata["name"])
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._documents.pop(key, None)
        else:
            self._documents[key] = document
        return copy.deepcopy(document)

    def _time(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
