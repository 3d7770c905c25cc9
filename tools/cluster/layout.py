"""Where the local cluster lives: its folder, addresses, ports and names, all fixed so that they can be documented."""

import os
from pathlib import Path
from typing import Final

# A user who is not root has only kind.
STATE: Final = Path("/var/lib/warren-cluster") if os.geteuid() == 0 else Path.home() / ".local/state/warren/cluster"
KUBECONFIG: Final = STATE / "kubeconfig"
BIN: Final = STATE / "bin"
PKI: Final = STATE / "pki"
CONFIG: Final = STATE / "config"
LOGS: Final = STATE / "log"
RUN: Final = STATE / "run"
VOLUMES: Final = STATE / "volumes"
CONTAINERD_SOCKET: Final = RUN / "containerd.sock"

# The range reserved for benchmarks of networks: no machine or company uses it.
PODS: Final = "198.18.0.0/16"
SERVICES: Final = "198.19.0.0/16"
BOTH: Final = "198.18.0.0/15"
DNS_ADDRESS: Final = "198.19.0.10"
NODE_ADDRESS: Final = "198.18.0.1"
FIRST_POD_ADDRESS: Final = "198.18.0.16"

# A bridge without ports: it carries the node's address, and pods are routed to one by one. Bridged pods would need the
# kernel's br_netfilter for answers of Services to find their way back.
INTERFACE: Final = "warren0"
TABLE: Final = "warren-cluster"
CGROUP: Final = "warren-cluster"
NODE: Final = "warren-local"

API_PORT: Final = 19443
ETCD_PORT: Final = 19379
ETCD_PEER_PORT: Final = 19380
KUBELET_PORT: Final = 19250
KUBELET_HEALTH_PORT: Final = 19248
PROXY_HEALTH_PORT: Final = 19256
PROXY_METRICS_PORT: Final = 19249
CONTROLLER_MANAGER_PORT: Final = 19257
SCHEDULER_PORT: Final = 19259

FAKE_GPUS: Final = 2
