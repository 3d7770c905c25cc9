"""etcd, the API server, the controller manager and the scheduler, as plain processes."""

import shutil

from tools.cluster import arguments, pki, processes
from tools.cluster.arguments import Pair, Papers
from tools.cluster.binaries import program
from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import (
    API_PORT,
    CONTROLLER_MANAGER_PORT,
    ETCD_PEER_PORT,
    ETCD_PORT,
    KUBECONFIG,
    NODE_ADDRESS,
    PKI,
    PODS,
    SCHEDULER_PORT,
    SERVICES,
    STATE,
)
from tools.cluster.pki import certificate, key
from tools.cluster.stages import wait_until


def start() -> None:
    """Start the control plane and return once it answers and its administrator may do everything."""
    processes.start("etcd", _etcd())
    processes.start("kube-apiserver", _api_server())
    _wait_for_api()
    shutil.copyfile(pki.ADMIN, KUBECONFIG)
    KUBECONFIG.chmod(0o600)
    _allow_administrators()
    # Both exit when they start before the API server is ready.
    processes.start("kube-controller-manager", _controller_manager())
    processes.start("kube-scheduler", _scheduler())


def ready() -> bool:
    """Tell whether the API server says that it is ready."""
    return answers("get", "--raw", "/readyz", kubeconfig=pki.SUPER_ADMIN) == "ok"


def _wait_for_api() -> None:
    def failure() -> str | None:
        return processes.death("etcd") or processes.death("kube-apiserver")

    wait_until("the API server", ready, seconds=120, failure=failure)


def _allow_administrators() -> None:
    group = "--group=kubeadm:cluster-admins"
    name = "kubeadm:cluster-admins"
    kubectl("create", "clusterrolebinding", name, "--clusterrole=cluster-admin", group, kubeconfig=pki.SUPER_ADMIN)
    wait_until(
        "the administrator's rights",
        lambda: bool(answers("get", "namespaces")),
        seconds=30,
        failure=lambda: processes.death("kube-apiserver"),
    )


def _etcd() -> list[str]:
    return [program("etcd"), *arguments.etcd(STATE / "etcd", ETCD_PORT, ETCD_PEER_PORT)]


def _api_server() -> list[str]:
    papers = Papers(
        authority=certificate("ca"),
        server=_pair("apiserver"),
        accounts=Pair(str(PKI / "sa.pub"), key("sa")),
        front_authority=certificate("front-proxy-ca"),
        front=_pair("front-proxy-client"),
        front_name="front-proxy-client",
    )
    issuer = "https://kubernetes.default.svc.cluster.local"
    return [
        program("kube-apiserver"),
        *arguments.api_server(NODE_ADDRESS, API_PORT, ETCD_PORT, issuer, papers),
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        f"--kubelet-client-certificate={certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={key('apiserver-kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _pair(name: str) -> Pair:
    return Pair(certificate(name), key(name))


def _controller_manager() -> list[str]:
    return [
        program("kube-controller-manager"),
        f"--kubeconfig={pki.CONTROLLER_MANAGER}",
        "--bind-address=127.0.0.1",
        f"--secure-port={CONTROLLER_MANAGER_PORT}",
        "--leader-elect=false",
        # A new node's taint goes away with the next look at it.
        "--node-monitor-period=1s",
        # At the default rate its own start alone takes 5 s.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--use-service-account-credentials=true",
        "--controllers=*,tokencleaner,-bootstrapsigner",
        f"--root-ca-file={certificate('ca')}",
        f"--service-account-private-key-file={key('sa')}",
        f"--cluster-signing-cert-file={certificate('ca')}",
        f"--cluster-signing-key-file={key('ca')}",
        f"--cluster-cidr={PODS}",
        f"--service-cluster-ip-range={SERVICES}",
    ]


def _scheduler() -> list[str]:
    return [
        program("kube-scheduler"),
        f"--kubeconfig={pki.SCHEDULER}",
        "--bind-address=127.0.0.1",
        f"--secure-port={SCHEDULER_PORT}",
        "--leader-elect=false",
    ]
