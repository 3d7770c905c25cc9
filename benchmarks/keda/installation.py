"""KEDA itself beside a control plane: its CRDs, its operator, and its metrics server registered with the API server.

Forbidden here: settings that change when or how far it scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.keda.plane import Plane, PlaneError
from benchmarks.keda.program import Program, answers_ok
from tools.gobuild import TOOLS, build, module_folder, version
from tools.stack.server import LOOPBACK, NotReadyError, Server

HEALTH_PORT: Final = 16904
FIGURES_PORT: Final = 16905
"""Where the operator tells the metrics server what the scalers say."""
METRICS_PORT: Final = 16906
OWN_METRICS_PORT: Final = 16907
NAMESPACE: Final = "keda"
SERVICE: Final = "keda-metrics-apiserver"
METRICS_API: Final = "external.metrics.k8s.io"
CRDS: Final = Path("config", "crd", "bases")
_OPERATOR: Final = "keda-operator"
_ADAPTER: Final = "keda-adapter"


def release() -> str:
    """Return the version of KEDA that is locked."""
    return version(TOOLS[_OPERATOR])


@contextmanager
def installed(plane: Plane, state: Path) -> Iterator[None]:
    """Have KEDA watch the control plane inside the block.

    Raises `ServerError`, `PlaneError`, and `GoBuildError` where a program cannot be built.
    """
    crds = module_folder(_OPERATOR) / CRDS
    plane.kubectl("apply", "--server-side", f"--filename={crds}")
    plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
    plane.apply(_namespace(), _service(), _api_service())
    with Server(_operator(plane, state)).running(), Server(_adapter(plane, state)).running():
        yield


def _operator(plane: Plane, state: Path) -> Program:
    arguments = [
        str(build(_OPERATOR)),
        "--metrics-bind-address=0",
        f"--health-probe-bind-address={LOOPBACK}:{HEALTH_PORT}",
        f"--metrics-service-bind-address={LOOPBACK}:{FIGURES_PORT}",
        f"--cert-dir={plane.identity.folder}",
    ]
    probe = answers_ok(f"http://{LOOPBACK}:{HEALTH_PORT}/readyz")
    ports = (HEALTH_PORT, FIGURES_PORT)
    return Program(_OPERATOR, state / _OPERATOR, ports, arguments, probe, _environment(plane))


def _adapter(plane: Plane, state: Path) -> Program:
    identity = plane.identity
    arguments = [
        str(build(_ADAPTER)),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={METRICS_PORT}",
        f"--port={OWN_METRICS_PORT}",
        f"--metrics-service-address=localhost:{FIGURES_PORT}",
        f"--cert-dir={identity.folder}",
        f"--client-ca-file={identity.authority}",
        f"--tls-cert-file={identity.certificate}",
        f"--tls-private-key-file={identity.key}",
        *(f"--{use}-kubeconfig={plane.kubeconfig}" for use in ("lister", "authentication", "authorization")),
    ]

    def probe() -> None:
        try:
            plane.kubectl("get", "--raw", f"/apis/{METRICS_API}/v1beta1")
        except PlaneError as error:
            raise NotReadyError(str(error)) from error

    ports = (METRICS_PORT, OWN_METRICS_PORT)
    return Program(_ADAPTER, state / _ADAPTER, ports, arguments, probe, _environment(plane))


def _environment(plane: Plane) -> dict[str, str]:
    return {
        "KUBECONFIG": str(plane.kubeconfig),
        "WATCH_NAMESPACE": "",
        "POD_NAMESPACE": NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    }


def _namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _service() -> dict[str, Any]:
    """Return a Service by another name: nothing here would give it an address."""
    spec = {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": METRICS_PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE, "namespace": NAMESPACE}, "spec": spec}


def _api_service() -> dict[str, Any]:
    spec = {
        "group": METRICS_API,
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": SERVICE, "namespace": NAMESPACE, "port": METRICS_PORT},
        # The certificate is for `localhost`, and the API server asks for the Service's name.
        "insecureSkipTLSVerify": True,
    }
    metadata = {"name": f"v1beta1.{METRICS_API}"}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": metadata, "spec": spec}
