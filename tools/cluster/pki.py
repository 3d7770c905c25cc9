"""Certificates and kubeconfigs, made by kubeadm's own phases."""

import json
import subprocess
from typing import Final

from tools.cluster.binaries import program
from tools.cluster.layout import API_PORT, CONFIG, NODE, NODE_ADDRESS, PKI, PODS, SERVICES
from tools.cluster.stages import ClusterError
from tools.gobuild import TOOLS, version

SUPER_ADMIN: Final = CONFIG / "super-admin.conf"
ADMIN: Final = CONFIG / "admin.conf"
KUBELET: Final = CONFIG / "kubelet.conf"
CONTROLLER_MANAGER: Final = CONFIG / "controller-manager.conf"
SCHEDULER: Final = CONFIG / "scheduler.conf"
KUBE_PROXY: Final = CONFIG / "kube-proxy.conf"


def create() -> None:
    """Write the certificates to the PKI folder and a kubeconfig for every component."""
    settings = CONFIG / "kubeadm.json"
    # kubeadm reads several documents from one file, separated as in YAML.
    settings.write_text("\n---\n".join(json.dumps(document) for document in _documents()))
    configured = ("--config", str(settings))
    _kubeadm("init", "phase", "certs", "all", *configured)
    _kubeadm("init", "phase", "kubeconfig", "all", "--kubeconfig-dir", str(CONFIG), *configured)
    KUBE_PROXY.touch(mode=0o600)
    KUBE_PROXY.write_text(_kubeadm("kubeconfig", "user", "--client-name", "system:kube-proxy", *configured))


def certificate(name: str) -> str:
    """Return the path of the certificate `name`."""
    return str(PKI / f"{name}.crt")


def key(name: str) -> str:
    """Return the path of the private key `name`."""
    return str(PKI / f"{name}.key")


def _documents() -> list[dict[str, object]]:
    endpoint = {"advertiseAddress": NODE_ADDRESS, "bindPort": API_PORT}
    api = "kubeadm.k8s.io/v1beta4"
    return [
        {
            "apiVersion": api,
            "kind": "InitConfiguration",
            "localAPIEndpoint": endpoint,
            "nodeRegistration": {"name": NODE},
        },
        {
            "apiVersion": api,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version(TOOLS["kube-apiserver"]),
            "certificatesDir": str(PKI),
            "controlPlaneEndpoint": f"{NODE_ADDRESS}:{API_PORT}",
            "networking": {"podSubnet": PODS, "serviceSubnet": SERVICES},
        },
    ]


def _kubeadm(*arguments: str) -> str:
    done = subprocess.run([program("kubeadm"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"kubeadm {' '.join(arguments)} failed: {done.stderr.strip()}"
        raise ClusterError(message)
    return done.stdout
