"""The cluster made of plain processes: up, down and its state."""

import os

from tools.cluster import addons, binaries, control_plane, host, node, pki, processes, runtime
from tools.cluster.layout import CONFIG, KUBECONFIG, LOGS, RUN, STATE
from tools.cluster.stages import ClusterError, stage

_FINGERPRINT = STATE / "fingerprint"


def up() -> None:
    """Leave a healthy cluster behind: the one that is there, or a new one in its place."""
    if os.geteuid() != 0:
        message = "the local cluster needs root: it makes control groups, mounts and network namespaces"
        raise ClusterError(message)
    with stage("programs and Debian packages"):
        binaries.prepare()
    reason = unhealthy()
    if reason is None:
        print("  the cluster that is up is healthy and current", flush=True)
        return
    if STATE.exists():
        with stage(f"removing the old cluster ({reason})"):
            down()
    _create()


def down() -> None:
    """End every process of the cluster and remove every trace of it."""
    for process in processes.remembered():
        processes.end(process)
    host.clean()


def unhealthy() -> str | None:
    """Say why there is no healthy cluster of the current kind; None when there is one."""
    if not KUBECONFIG.exists():
        return "none is there"
    dead = [process.name for process in processes.remembered() if not processes.alive(process)]
    if dead:
        return f"not running: {', '.join(dead)}"
    if not _FINGERPRINT.exists() or _FINGERPRINT.read_text() != binaries.fingerprint():
        return "it was made by another version of these tools"
    for what, probe in (("the API server", control_plane.ready), ("the node", node.ready), ("DNS", addons.ready)):
        if not probe():
            return f"{what} is not ready"
    return None


def _create() -> None:
    for folder in (CONFIG, LOGS, RUN):
        folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o711)
    _start()
    _FINGERPRINT.write_text(binaries.fingerprint())


def _start() -> None:
    binaries.link()
    with stage("certificates"):
        pki.create()
    with stage("network of the node"):
        host.prepare()
    with stage("containerd and the cluster's own images"):
        runtime.start()
        addons.load_images()
    with stage("control plane"):
        control_plane.start()
    with stage("node"):
        node.start()
    with stage("DNS and volumes"):
        addons.install()
