"""containerd, the network of its pods, and the images that the cluster itself needs."""

import json
import subprocess

from tools.cluster import processes
from tools.cluster.layout import CONFIG, CONTAINERD_SOCKET, FIRST_POD_ADDRESS, NODE_ADDRESS, PODS, STATE
from tools.cluster.stages import wait_until

PAUSE_IMAGE = "localhost/warren/pause:1"
COREDNS_IMAGE = "localhost/warren/coredns:1"

_NETWORKS = CONFIG / "cni"
_STREAM_PORT = 19251

_CONTAINERD = f"""
version = 2
root = "{STATE}/containerd/root"
state = "{STATE}/containerd/state"
# Neither an rlimit nor an oom score may be changed on some machines, and the cluster needs neither.
oom_score = 0

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = "{STATE}/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "{_STREAM_PORT}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{_NETWORKS}"

[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{STATE}/containerd/runc"
"""


def start() -> None:
    """Start containerd and return once it answers."""
    _write_network()
    settings = CONFIG / "containerd.toml"
    settings.write_text(_CONTAINERD)
    processes.start("containerd", ["containerd", "--config", str(settings)])
    wait_until("containerd", _answers, seconds=30, failure=lambda: processes.death("containerd"))


def _answers() -> bool:
    command = ["ctr", "--address", str(CONTAINERD_SOCKET), "--connect-timeout", "1s", "version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _write_network() -> None:
    addresses = {
        "type": "host-local",
        "dataDir": str(STATE / "addresses"),
        "ranges": [[{"subnet": PODS, "rangeStart": FIRST_POD_ADDRESS, "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    network = {"cniVersion": "1.0.0", "name": "warren-pods", "plugins": [{"type": "ptp", "ipam": addresses}]}
    _NETWORKS.mkdir(parents=True, exist_ok=True)
    (_NETWORKS / "10-warren.conflist").write_text(json.dumps(network, indent=2))
