"""The cluster made by kind, where a Docker daemon answers and can fetch kind's image of a node."""

import subprocess
from collections.abc import Sequence

from tools.cluster import node
from tools.cluster.binaries import link, program
from tools.cluster.kubectl import answers
from tools.cluster.layout import KUBECONFIG
from tools.cluster.stages import ClusterError, stage

NAME = "warren"
_NODE = f"{NAME}-control-plane"


def up() -> None:
    """Leave a healthy kind cluster behind: the one that is there, or a new one."""
    with stage("programs"):
        link(("helm", "kind", "kubectl"))
    if unhealthy() is None:
        return
    with stage("kind cluster"):
        _kind("delete", "cluster", "--name", NAME)
        _kind("create", "cluster", "--name", NAME, "--kubeconfig", str(KUBECONFIG), "--wait", "180s")
    node.advertise_gpus(_NODE)


def down() -> None:
    """Remove the kind cluster."""
    link(("kind",))
    _kind("delete", "cluster", "--name", NAME)


def load(images: Sequence[str]) -> None:
    """Put images of the Docker daemon where the cluster's pods find them."""
    _kind("load", "docker-image", *images, "--name", NAME)


def unhealthy() -> str | None:
    """Say why there is no healthy kind cluster; None when there is one."""
    if not KUBECONFIG.exists():
        return "none is there"
    return None if answers("get", "--raw", "/readyz") == "ok" else "its API server does not answer"


def _kind(*arguments: str) -> None:
    done = subprocess.run([program("kind"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"kind {' '.join(arguments)} failed: {done.stderr.strip()[-3000:]}"
        raise ClusterError(message)
