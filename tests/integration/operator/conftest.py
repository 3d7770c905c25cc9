"""Fixtures that give the operator's tests a real API server, and a namespace of their own on it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import KUBECONFIG
from tools.cluster.stages import ClusterError

REPOSITORY = Path(__file__).resolve().parents[3]
SERVED_SECONDS = 30.0


@dataclass(frozen=True)
class Namespace:
    """A namespace of a real cluster."""

    name: str
    kubeconfig: Path

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl in the namespace and return what it printed. Raises `ClusterError` with what it said."""
        return kubectl("--namespace", self.name, *arguments, given=given, kubeconfig=self.kubeconfig)


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Where the cluster's credentials lie: KUBECONFIG, else the local cluster's."""
    path = Path(os.environ.get("KUBECONFIG", KUBECONFIG))
    if not path.exists() or answers("get", "--raw", "/readyz", kubeconfig=path) != "ok":
        pytest.skip(f"no Kubernetes API answers by {path}; bring one up with: make cluster")
    return path


@pytest.fixture(scope="session")
def crds(kubeconfig: Path) -> Path:
    """Put the CRDs in place and return the cluster's kubeconfig."""
    kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        str(REPOSITORY / "manifests" / "crds"),
        kubeconfig=kubeconfig,
    )
    kubectl(
        "wait",
        "--for=condition=Established",
        "crd/mljobs.warren.dev",
        "crd/consumerpools.warren.dev",
        kubeconfig=kubeconfig,
    )
    _until_served(kubeconfig)
    return kubeconfig


def _until_served(kubeconfig: Path) -> None:
    """Wait until resources of a kind that has just been made known can be listed: established is not served."""
    end = time.monotonic() + SERVED_SECONDS
    while True:
        try:
            kubectl("get", "mljobs,consumerpools", "--all-namespaces", kubeconfig=kubeconfig)
        except ClusterError:
            assert time.monotonic() < end
            time.sleep(0.5)
        else:
            return


@pytest.fixture
def namespace(crds: Path) -> Iterator[Namespace]:
    """Give a namespace for this test alone, which is deleted with all that is in it."""
    own = Namespace(f"warren-test-{uuid.uuid4().hex[:8]}", crds)
    kubectl("create", "namespace", own.name, kubeconfig=crds)
    try:
        yield own
    finally:
        for job in own.kubectl("get", "mljobs", "--output=name").split():
            own.kubectl("patch", job, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}')
        kubectl("delete", "namespace", own.name, "--wait=false", kubeconfig=crds)
