"""The Kubernetes API, as far as the operator needs it: one interface, two adapters.

`api` speaks to a real API server; `memory` holds the same semantics in this process: resource versions, conflicts,
finalizers, a status of its own.

Forbidden here: decisions, and what a resource's fields mean.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, Literal, Protocol

from warren.errors import NotFoundError, UnavailableError, WarrenError

Document = Mapping[str, Any]
"""A resource as the API server returns it."""


class Kind(StrEnum):
    """The resources of Warren, by the plural that the API server knows them by."""

    MLJOB = "mljobs"
    CONSUMER_POOL = "consumerpools"


class ConflictError(WarrenError):
    """The resource has changed since it was read: read it again and decide again."""

    status = HTTPStatus.CONFLICT
    code = "conflict"
    title = "Resource changed"


class ClusterUnavailableError(UnavailableError):
    """The API server does not answer, or cannot do what it is asked for now."""

    code = "cluster-unavailable"
    title = "Kubernetes API unavailable"


class ClusterRefusedError(ClusterUnavailableError):
    """The API server refuses what it is asked for, until somebody changes a policy, a quota or the operator's Role.

    Nothing was done.
    """

    code = "cluster-refused"
    title = "Refused by the Kubernetes API"


class ResourceNotFoundError(NotFoundError):
    """There is no such resource, or no longer."""

    code = "resource-not-found"
    title = "Resource not found"


@dataclass(frozen=True, slots=True)
class Listing:
    """All resources of a kind, at one moment."""

    items: tuple[Document, ...]
    version: int
    """The resource version of the list: whatever was created later is not in it."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource of a Deployment."""

    wanted: int
    """`spec.replicas`"""
    present: int
    """`status.replicas`: pods that are there, ready or not."""
    selector: str = ""
    """`status.selector`: the labels of its pods, as a query."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a Deployment that has not ended."""

    name: str
    address: str = ""
    """Its IP; empty until it has one."""
    unschedulable: str = ""
    """Why no node was found for it, in the scheduler's words; empty: one was, or it has not looked yet."""
    cost: str | None = None
    """Its annotation `controller.kubernetes.io/pod-deletion-cost`: of ready pods the cheapest goes first."""
    metrics_port: int | None = None
    """Its containers' port that is named `metrics`; None: it names none."""
    ready: bool = False
    """Whether its readiness probes say so."""

    @property
    def endpoint(self) -> str:
        """Where it tells its metrics, `host:port` as in a URL; empty: nowhere, or not yet."""
        if not self.address or self.metrics_port is None:
            return ""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.metrics_port}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes Event to be."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


METRICS_PORT: Final = "metrics"
"""The name of the port on which a consumer's pod tells its metrics."""
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"


def version(document: Document) -> int:
    """Return a resource's version as a number; Kubernetes promises since 1.35 that they can be compared so."""
    text = str(document["metadata"].get("resourceVersion", "0"))
    return int(text) if text.isdigit() else 0


class Cluster(Protocol):
    """The resources of one namespace.

    Every method raises `ClusterUnavailableError` when the API server does not answer, `ClusterRefusedError` when it
    refuses, and `ResourceNotFoundError` when the resource it is about is gone. Those that write a document raise
    `ConflictError` if it has changed since.
    """

    async def list(self, kind: Kind) -> Listing:
        """Return all resources of the kind."""

    async def get(self, kind: Kind, name: str) -> Document:
        """Return one resource."""

    async def write_status(self, kind: Kind, document: Document, status: Document) -> Document:
        """Replace the status, and nothing else, of the resource as it was read; return what it is now."""

    async def write_finalizers(self, kind: Kind, document: Document, finalizers: tuple[str, ...]) -> Document:
        """Replace the finalizers of the resource as it was read; return what it is now."""

    async def delete(self, kind: Kind, document: Document) -> None:
        """Delete this very resource, not a later one of its name."""

    async def scale(self, deployment: str) -> Scale:
        """Return a Deployment's scale."""

    async def write_scale(self, deployment: str, replicas: int) -> None:
        """Set a Deployment's number of replicas."""

    async def pods_of(self, selector: str) -> builtins.list[Pod]:
        """Return the pods with these labels that have not ended and are not about to be deleted."""

    async def write_cost(self, pod: str, cost: int) -> None:
        """Set what deleting the pod costs."""

    async def notify(self, document: Document, notice: Notice) -> None:
        """Post a Kubernetes Event about the resource. Best effort: it never raises `ClusterUnavailableError`."""

    async def close(self) -> None:
        """Close the connections."""
