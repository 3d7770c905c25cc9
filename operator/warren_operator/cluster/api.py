"""The Kubernetes API through the official client: the one module that imports `kubernetes`.

Forbidden here: decisions.
"""

from __future__ import annotations

import builtins
import contextlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self, cast

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from warren.errors import WarrenError
from warren.resources import API_VERSION, GROUP, VERSION
from warren_operator.cluster import (
    DELETION_COST,
    METRICS_PORT,
    ClusterRefusedError,
    ClusterUnavailableError,
    ConflictError,
    Document,
    Kind,
    Listing,
    Notice,
    Pod,
    ResourceNotFoundError,
    Scale,
)

MANAGER: Final = "warren-operator"
"""The name under which the operator owns fields."""

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_TIMEOUT_SECONDS: Final = 10.0
_REFUSALS: Final = frozenset(range(400, 500)) - {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses after which the same call fails again; a server that has too much to do says the other two."""
_HINT: Final = ": the CRDs are missing (kubectl apply --server-side -f manifests/crds)"


class ApiCluster:
    """The resources of one namespace on an API server."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._custom = client.CustomObjectsApi(api)
        self._apps = client.AppsV1Api(api)
        self._core = client.CoreV1Api(api)

    @classmethod
    async def connect(cls, namespace: str, kubeconfig: Path | None = None) -> Self:
        """Use the pod's service account, or outside of a cluster a kubeconfig's current context (default: KUBECONFIG).

        Raises:
            ClusterUnavailableError: there is neither.

        """
        settings = client.Configuration()
        try:
            try:
                config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            except config.ConfigException:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=str(kubeconfig) if kubeconfig else None, client_configuration=settings
                )
        except config.ConfigException as error:
            detail = f"neither a service account nor a kubeconfig leads to a Kubernetes API: {error}"
            raise ClusterUnavailableError(detail) from error
        return cls(client.ApiClient(settings), namespace)

    async def list(self, kind: Kind) -> Listing:
        """Return all resources of the kind."""
        with faults(f"the list of {kind}"):
            answer = await self._custom.list_namespaced_custom_object(**self._place(kind))
        document = cast("dict[str, Any]", answer)
        return Listing(tuple(document["items"]), int(document["metadata"]["resourceVersion"]))

    async def get(self, kind: Kind, name: str) -> Document:
        """Return one resource."""
        with faults(f"{kind}/{name}"):
            answer = await self._custom.get_namespaced_custom_object(**self._place(kind), name=name)
        return cast("Document", answer)

    async def write_status(self, kind: Kind, document: Document, status: Document) -> Document:
        """Apply the status from the server's side: what it no longer holds goes, and only this version is changed."""
        metadata = document["metadata"]
        body = {
            "apiVersion": API_VERSION,
            "kind": document["kind"],
            "metadata": {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion")},
            "status": status,
        }
        with faults(f"the status of {kind}/{metadata['name']}"):
            answer = await self._custom.patch_namespaced_custom_object_status(
                **self._place(kind),
                name=metadata["name"],
                body=body,
                field_manager=MANAGER,
                force=True,
                _content_type=_APPLY,
            )
        return cast("Document", answer)

    async def write_finalizers(self, kind: Kind, document: Document, finalizers: tuple[str, ...]) -> Document:
        """Replace the finalizers of the resource as it was read."""
        metadata = document["metadata"]
        wanted = {"resourceVersion": metadata["resourceVersion"], "finalizers": [*finalizers]}
        with faults(f"{kind}/{metadata['name']}"):
            answer = await self._custom.patch_namespaced_custom_object(
                **self._place(kind),
                name=metadata["name"],
                body={"metadata": wanted},
                field_manager=MANAGER,
                _content_type=_MERGE,
            )
        return cast("Document", answer)

    async def delete(self, kind: Kind, document: Document) -> None:
        """Delete this very resource, not a later one of its name."""
        metadata = document["metadata"]
        options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=metadata["uid"]))
        with faults(f"{kind}/{metadata['name']}"):
            await self._custom.delete_namespaced_custom_object(**self._place(kind), name=metadata["name"], body=options)

    async def scale(self, deployment: str) -> Scale:
        """Return a Deployment's scale."""
        with faults(f"the Deployment {deployment!r}"):
            found = await self._apps.read_namespaced_deployment_scale(
                deployment, self._namespace, _request_timeout=_TIMEOUT_SECONDS
            )
        wanted, present = found.spec, found.status
        return Scale(
            (wanted and wanted.replicas) or 0,
            (present and present.replicas) or 0,
            (present and present.selector) or "",
        )

    async def write_scale(self, deployment: str, replicas: int) -> None:
        """Set a Deployment's number of replicas."""
        with faults(f"the Deployment {deployment!r}"):
            await self._apps.patch_namespaced_deployment_scale(
                deployment,
                self._namespace,
                body={"spec": {"replicas": replicas}},
                field_manager=MANAGER,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT_SECONDS,
            )

    async def pods_of(self, selector: str) -> builtins.list[Pod]:
        """Return the pods with these labels that have not ended and are not about to be deleted."""
        with faults("the list of pods"):
            found = await self._core.list_namespaced_pod(
                self._namespace,
                label_selector=selector,
                field_selector="status.phase!=Succeeded,status.phase!=Failed",
                _request_timeout=_TIMEOUT_SECONDS,
            )
        return [_pod(pod) for pod in found.items if pod.metadata and not pod.metadata.deletion_timestamp]

    async def write_cost(self, pod: str, cost: int) -> None:
        """Set what deleting the pod costs."""
        with faults(f"the pod {pod!r}"):
            await self._core.patch_namespaced_pod(
                pod,
                self._namespace,
                body={"metadata": {"annotations": {DELETION_COST: str(cost)}}},
                field_manager=MANAGER,
                _content_type=_MERGE,
                _request_timeout=_TIMEOUT_SECONDS,
            )

    async def notify(self, document: Document, notice: Notice) -> None:
        """Post a Kubernetes Event about the resource, if that is possible."""
        with contextlib.suppress(WarrenError), faults("an event"):
            await self._core.create_namespaced_event(
                self._namespace, self._event(document, notice), _request_timeout=_TIMEOUT_SECONDS
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    def _place(self, kind: Kind) -> dict[str, Any]:
        return {
            "group": GROUP,
            "version": VERSION,
            "namespace": self._namespace,
            "plural": kind.value,
            "_request_timeout": _TIMEOUT_SECONDS,
        }

    def _event(self, document: Document, notice: Notice) -> client.CoreV1Event:
        metadata, now = document["metadata"], datetime.now(UTC)
        return client.CoreV1Event(
            metadata=client.V1ObjectMeta(name=f"{metadata['name'][:200]}.{uuid.uuid4().hex[:16]}"),
            involved_object=client.V1ObjectReference(
                api_version=API_VERSION,
                kind=document["kind"],
                name=metadata["name"],
                uid=metadata["uid"],
                namespace=self._namespace,
            ),
            type=notice.type,
            reason=notice.reason,
            message=notice.message[:1024],
            count=1,
            first_timestamp=now,
            last_timestamp=now,
            source=client.V1EventSource(component=MANAGER),
            reporting_component=MANAGER,
            reporting_instance=MANAGER,
            action=notice.reason,
        )


def _pod(pod: client.V1Pod) -> Pod:
    metadata, status = pod.metadata, pod.status
    conditions = (status and status.conditions) or []
    refused = (one for one in conditions if one.type == "PodScheduled" and one.reason == "Unschedulable")
    return Pod(
        str(metadata and metadata.name),
        str((status and status.pod_ip) or ""),
        next((str(one.message or one.reason) for one in refused if one.status == "False"), ""),
        ((metadata and metadata.annotations) or {}).get(DELETION_COST),
        _metrics_port(pod.spec),
        any(one.type == "Ready" and one.status == "True" for one in conditions),
    )


def _metrics_port(spec: client.V1PodSpec | None) -> int | None:
    ports = (port for container in (spec.containers if spec else ()) for port in container.ports or ())
    return next((port.container_port for port in ports if port.name == METRICS_PORT), None)


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Turn the client's errors into ours: the one place that knows HTTP statuses."""
    try:
        yield
    except ApiException as error:
        detail = f"{what}: {error.status} {error.reason}"
        if error.status == HTTPStatus.NOT_FOUND:
            raise ResourceNotFoundError(f"{what} is not there{_HINT if what.startswith('the list') else ''}") from error
        if error.status == HTTPStatus.CONFLICT:
            raise ConflictError(f"{what} has changed since it was read") from error
        said = f"{detail}: {error.body}" if error.body else detail
        if error.status in _REFUSALS:
            raise ClusterRefusedError(f"the Kubernetes API refused {said[:500]}") from error
        raise ClusterUnavailableError(f"the Kubernetes API failed at {said[:500]}") from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise ClusterUnavailableError(f"the Kubernetes API does not answer ({what}): {error!r}") from error
