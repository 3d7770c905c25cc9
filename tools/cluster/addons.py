"""What a cluster needs beside its own parts: names of Services, and volumes on demand."""

import shutil
import tempfile
from pathlib import Path

from tools.cluster import pki, processes
from tools.cluster.binaries import program
from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import VOLUMES
from tools.cluster.runtime import COREDNS_IMAGE, PAUSE_IMAGE
from tools.cluster.stages import wait_until
from tools.images import buildah, containerd

_HERE = Path(__file__).parent
_BUSYBOX = Path("/bin/busybox")
_COREDNS_READY = ("get", "deployment", "coredns", "--namespace=kube-system", "-o", "jsonpath={.status.readyReplicas}")


def load_images() -> None:
    """Build the images of the cluster's own pods and put them where containerd finds them."""
    for image, recipe, file in (
        (PAUSE_IMAGE, "pause", _BUSYBOX),
        (COREDNS_IMAGE, "coredns", Path(program("coredns"))),
    ):
        with tempfile.TemporaryDirectory() as context:
            shutil.copy(file, Path(context, file.name))
            buildah.build(image, Path(context), _HERE / "images" / f"{recipe}.Dockerfile")
        containerd.load(image)


def install() -> None:
    """Install DNS and the default StorageClass, and return once DNS is ready."""
    VOLUMES.mkdir(parents=True, exist_ok=True)
    for name in ("storage", "coredns"):
        kubectl("apply", "--filename", str(_HERE / "manifests" / f"{name}.yaml"))
    processes.start("local-path-provisioner", _provisioner())

    def failure() -> str | None:
        return processes.death("kubelet") or processes.death("local-path-provisioner")

    wait_until("CoreDNS", ready, seconds=90, failure=failure)


def ready() -> bool:
    """Tell whether the cluster's DNS answers."""
    return answers(*_COREDNS_READY) == "1"


def _provisioner() -> list[str]:
    return [
        program("local-path-provisioner"),
        "start",
        f"--kubeconfig={pki.ADMIN}",
        "--namespace=kube-system",
        "--service-account-name=default",
        f"--helper-image={PAUSE_IMAGE}",
    ]
