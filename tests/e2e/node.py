"""What may happen to a pod on its node: its processes are killed or frozen, its packets are dropped without a word.

Kubernetes itself offers none of this, so it is done where the containers are: on this machine, or in kind's node.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.e2e.namespace import Namespace
from tools.cluster.layout import NODE

_HOLE: Final = "black-hole"
_RULES: Final = f"""
table inet {_HOLE} {{
  chain outgoing {{ type filter hook output priority 0; tcp dport %(port)d drop; }}
  chain incoming {{ type filter hook input priority 0; tcp sport %(port)d drop; }}
}}
"""
_LISTED: Final = 'grep -ls "$0" /proc/[0-9]*/cgroup; true'
"""That of a process which ends meanwhile, a probe's for one, cannot be read."""
_SIGNALLED: Final = 'for pid; do kill -s "$0" "$pid" || test ! -d "/proc/$pid" || exit 1; done'


killed_at: dict[str, float] = {}
"""When the processes of pods were killed, by the pods' uids: until it knows, a kubelet may still probe them."""


class Node:
    """The node that a pod of the namespace runs on; pods are given by their names."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def kill(self, pod: str) -> None:
        """End a pod's processes by SIGKILL; its containers are started again in the same pod."""
        killed_at[self._namespace.get("pod", pod)["metadata"]["uid"]] = time.time()
        self._signal("KILL", pod)

    @contextmanager
    def frozen(self, pod: str) -> Iterator[None]:
        """Stop a pod's processes meanwhile; they notice nothing but the time."""
        self._signal("STOP", pod)
        try:
            yield
        finally:
            self._signal("CONT", pod)

    @contextmanager
    def black_hole(self, pod: str, port: int) -> Iterator[None]:
        """Drop meanwhile what a pod and others' port tell each other, both ways; nothing is refused."""
        inside = ("nsenter", "--net", "--target", self._processes(pod)[0], "nft")
        self._run(pod, *inside, "-f", "-", given=_RULES % {"port": port})
        try:
            yield
        finally:
            self._run(pod, *inside, "delete", "table", "inet", _HOLE)

    def _signal(self, name: str, pod: str) -> None:
        self._run(pod, "sh", "-c", _SIGNALLED, name, *self._processes(pod))

    def _processes(self, pod: str) -> list[str]:
        """Return the ids, on the node, of the processes in a pod's containers."""
        statuses = self._namespace.get("pod", pod)["status"]["containerStatuses"]
        found: list[str] = []
        for status in statuses:
            container = status["containerID"].rpartition("/")[2]
            found += [path.split("/")[2] for path in self._run(pod, "sh", "-c", _LISTED, container).split()]
        assert found, f"{pod} has no processes"
        return found

    def _run(self, pod: str, *command: str, given: str | None = None) -> str:
        name = self._namespace.get("pod", pod)["spec"]["nodeName"]
        there = () if name == NODE else ("docker", "exec", "--interactive", name)
        done = subprocess.run([*there, *command], input=given, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout
