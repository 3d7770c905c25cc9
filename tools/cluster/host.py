"""What the cluster needs of the machine itself, and how every trace of it goes away again.

Only what carries the cluster's own names is touched: its interface, its nftables tables, its control groups, mounts
under its state folder, and shims of its containerd.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tools.cluster.layout import (
    BOTH,
    CGROUP,
    CONTAINERD_SOCKET,
    INTERFACE,
    NODE_ADDRESS,
    PODS,
    RUN,
    STATE,
    TABLE,
)
from tools.cluster.stages import ClusterError

_CGROUPS = Path("/sys/fs/cgroup")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_FORWARDING_BEFORE = RUN / "ip_forward"
_KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
_POD_LOGS = Path("/var/log/containers")
_NETWORK_RESULTS = Path("/var/lib/cni/results")
_SHIM_ADDRESSES = "containerd/state/io.containerd.runtime.v2.task/*/*/address"
_MASQUERADE = f"""
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority 100;
    ip saddr {PODS} ip daddr != {BOTH} masquerade
  }}
}}
"""


def prepare() -> None:
    """Make the node's interface and address, forwarding between pods, and the control group of all pods."""
    _run("ip", "link", "add", INTERFACE, "type", "bridge")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", INTERFACE)
    _run("ip", "link", "set", INTERFACE, "up")
    _run("nft", "-f", "-", given=_MASQUERADE)
    _FORWARDING_BEFORE.write_text(_FORWARDING.read_text())
    _FORWARDING.write_text("1")
    for hierarchy in _hierarchies():
        _make_group(hierarchy)


def clean() -> None:
    """Remove every trace that is left on the machine, the state folder included."""
    _end_containers()
    _unmount()
    if Path("/sys/class/net", INTERFACE).exists():
        _run("ip", "link", "delete", INTERFACE)
    for family, table in (("ip", TABLE), *_KUBE_PROXY_TABLES):
        if shutil.which("nft"):
            subprocess.run(["nft", "delete", "table", family, table], capture_output=True, check=False)
    if _FORWARDING_BEFORE.exists():
        _FORWARDING.write_text(_FORWARDING_BEFORE.read_text())
    _remove_strays()
    if STATE.exists():
        shutil.rmtree(STATE)


def _hierarchies() -> list[Path]:
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [path for path in _CGROUPS.iterdir() if (path / "tasks").exists() and not path.is_symlink()]


def _make_group(hierarchy: Path) -> None:
    group = hierarchy / CGROUP
    group.mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        # An empty cpuset of version 1 takes no process.
        if (group / name).exists() and hierarchy.name == "cpuset":
            (group / name).write_text((hierarchy / name).read_text())
    for folder in (hierarchy, group):
        control = folder / "cgroup.subtree_control"
        if control.exists():
            control.write_text("+cpu +cpuset +io +memory +pids")


def _end_containers() -> None:
    sockets = [path.read_text().removeprefix("unix://") for path in STATE.glob(_SHIM_ADDRESSES)]
    for pid in _shims():
        os.kill(pid, signal.SIGKILL)
    for socket in sockets:
        Path(socket).unlink(missing_ok=True)
    deadline = time.monotonic() + 20
    while groups := _groups():
        for group in groups:
            for pid in _members(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            message = f"processes of old pods do not end; see {groups[0]}/cgroup.procs"
            raise ClusterError(message)
        time.sleep(0.05)


def _groups() -> list[Path]:
    """Return the control groups of the cluster, children before their parents."""
    tops = [_CGROUPS / CGROUP, *_CGROUPS.glob(f"*/{CGROUP}")]
    found = [Path(folder) for top in tops for folder, _, _ in os.walk(top)]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def _members(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _shims() -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            if words[0].endswith("containerd-shim-runc-v2") and str(CONTAINERD_SOCKET) in words:
                yield int(path.parent.name)


def _unmount() -> None:
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed(places):
        if place.startswith(f"{STATE}/"):
            _run("umount", "--lazy", place)


def _remove_strays() -> None:
    """Remove what a kubelet and containerd keep outside the folders that they are given."""
    for link in _POD_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{STATE}/"):
            link.unlink()
    for result in _NETWORK_RESULTS.glob("*"):
        if f"{STATE}/" in result.read_text(errors="replace"):
            result.unlink()


def _run(*command: str, given: str | None = None) -> None:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(command)} failed: {done.stderr.strip()}"
        raise ClusterError(message)
