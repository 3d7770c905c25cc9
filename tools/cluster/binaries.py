"""The programs of the cluster: built from the locked Go modules, and linked where users find them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tools.cluster.layout import BIN
from tools.debian import ensure_packages
from tools.gobuild import TOOLS, binary_path, build

PACKAGES = (
    "buildah",
    "busybox-static",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "iproute2",
    "nftables",
    "runc",
    "skopeo",
)
PROGRAMS = (
    "coredns",
    "etcd",
    "helm",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubectl",
    "kubelet",
    "local-path-provisioner",
)


def prepare() -> None:
    """Install the Debian packages and build the programs that are missing on this machine."""
    ensure_packages(PACKAGES)
    for name in PROGRAMS:
        build(name)


def link(programs: Sequence[str] = PROGRAMS) -> None:
    """Make `programs` reachable under their plain names, building those that are missing."""
    BIN.mkdir(parents=True, exist_ok=True)
    for name in programs:
        place = BIN / name
        place.unlink(missing_ok=True)
        place.symlink_to(build(name))


def program(name: str) -> str:
    """Return the path under which the program `name` is reachable once linked."""
    return str(BIN / name)


def fingerprint() -> str:
    """Return a key of all that the cluster is made from: a cluster with another one is replaced."""
    key = hashlib.sha256()
    for name in PROGRAMS:
        key.update(binary_path(TOOLS[name]).name.encode())
    for source in sorted(Path(__file__).parent.glob("**/*")):
        if source.suffix in {".py", ".yaml", ".Dockerfile"}:
            key.update(source.read_bytes())
    return key.hexdigest()[:16]
