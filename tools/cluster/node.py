"""The node: its kubelet and kube-proxy, and the GPUs that its scheduler believes in."""

import json

from tools.cluster import pki, processes
from tools.cluster.binaries import program
from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import (
    CGROUP,
    CONFIG,
    CONTAINERD_SOCKET,
    DNS_ADDRESS,
    FAKE_GPUS,
    KUBELET_HEALTH_PORT,
    KUBELET_PORT,
    LOGS,
    NODE,
    NODE_ADDRESS,
    PODS,
    PROXY_HEALTH_PORT,
    PROXY_METRICS_PORT,
    STATE,
)
from tools.cluster.stages import wait_until

_READY = '{.status.conditions[?(@.type=="Ready")].status}'


def start() -> None:
    """Start the node's processes and return once the node is Ready and advertises its fake GPUs."""
    processes.start("kubelet", _kubelet())
    processes.start("kube-proxy", _kube_proxy())

    def failure() -> str | None:
        return processes.death("kubelet") or processes.death("kube-proxy") or processes.death("containerd")

    wait_until("the node", ready, seconds=90, failure=failure)
    advertise_gpus(NODE)


def ready() -> bool:
    """Tell whether the node reports that it is Ready."""
    return answers("get", "node", NODE, "-o", f"jsonpath={_READY}") == "True"


def advertise_gpus(node: str) -> None:
    """Make the scheduler believe that `node` has GPUs: pods that ask for one run there, without any."""
    capacity = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(FAKE_GPUS)}]
    kubectl("patch", "node", node, "--subresource=status", "--type=json", "--patch", json.dumps(capacity))


def _kubelet() -> list[str]:
    settings = CONFIG / "kubelet.json"
    settings.write_text(json.dumps(_kubelet_settings(), indent=2))
    return [
        program("kubelet"),
        f"--config={settings}",
        f"--kubeconfig={pki.KUBELET}",
        f"--root-dir={STATE / 'kubelet'}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
    ]


def _kubelet_settings() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": KUBELET_PORT,
        "healthzPort": KUBELET_HEALTH_PORT,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": pki.certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_ADDRESS],
        # The machine's own search domains would only slow every look-up of a pod down.
        "resolvConf": "",
        "podLogsDir": str(LOGS / "pods"),
        "cgroupRoot": f"/{CGROUP}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "localStorageCapacityIsolation": False,
        "makeIPTablesUtilChains": False,
        "enforceNodeAllocatable": ["pods"],
        # An image that was collected could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "nodeStatusUpdateFrequency": "5s",
        "serializeImagePulls": False,
        "volumePluginDir": str(STATE / "kubelet" / "volume-plugins"),
    }


def _kube_proxy() -> list[str]:
    return [
        program("kube-proxy"),
        f"--kubeconfig={pki.KUBE_PROXY}",
        f"--hostname-override={NODE}",
        f"--cluster-cidr={PODS}",
        "--proxy-mode=nftables",
        f"--healthz-bind-address=127.0.0.1:{PROXY_HEALTH_PORT}",
        f"--metrics-bind-address=127.0.0.1:{PROXY_METRICS_PORT}",
        "--nodeport-addresses=primary",
        # Settings of the kernel that a machine may not let anyone change.
        "--oom-score-adj=0",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
