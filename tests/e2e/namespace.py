"""The namespace under test, through kubectl as its user has it."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.patience import until
from tools.cluster.binaries import program
from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import KUBECONFIG

_FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")


class Namespace:
    """One namespace of the local cluster."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl and return what it printed. Raises `ClusterError` with what it complained about."""
        return kubectl("-n", self.name, *arguments, given=given)

    def tried(self, *arguments: str) -> str:
        """Run kubectl and return what it printed; nothing when it failed."""
        return answers("-n", self.name, *arguments)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return a resource."""
        found: dict[str, Any] = json.loads(self.run("get", kind, name, "-o", "json"))
        return found

    def all(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the resources that carry the labels."""
        found: list[dict[str, Any]] = json.loads(self.run("get", kind, "-l", selector, "-o", "json"))["items"]
        return found

    def names(self, kinds: str, selector: str = "") -> list[str]:
        """Return the names, as `kind/name`, of the resources that carry the labels."""
        return self.run("get", kinds, "-l", selector, "-o", "name").split()

    def execute(self, workload: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a pod and return what it printed and its exit code, whatever that is."""
        arguments = self._command("exec", workload, "--", *command)
        return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)

    def credential(self, key: str) -> str:
        """Return a password of the release."""
        template = f'go-template={{{{index .data "{key}" | base64decode}}}}'
        return self.run("get", "secret", "warren-credentials", "-o", template)

    def apply(self, resource: dict[str, Any]) -> None:
        """Apply a resource."""
        self.run("apply", "-f", "-", given=json.dumps(resource))

    def create(self, resource: dict[str, Any]) -> None:
        """Create a resource that is too large to be applied: an annotation would hold all of it."""
        self.run("create", "-f", "-", given=json.dumps(resource))

    def patch(self, kind: str, name: str, spec: dict[str, Any]) -> None:
        """Change a resource's spec."""
        self.run("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def kill(self, pod: str) -> None:
        """End a pod without its grace, as a node's failure would."""
        self.run("delete", pod, "--grace-period=0", "--force", "--wait=false")

    def replace(self, selector: str) -> None:
        """End the pods that carry the labels without their grace, and return when as many others are ready."""
        old = self.names("pods", selector)
        for pod in old:
            self.kill(pod)

        def are_back() -> bool:
            pods = [pod for pod in self.all("pods", selector) if f"pod/{pod['metadata']['name']}" not in old]
            return len(pods) == len(old) and all(map(is_ready, pods))

        until(f"others have taken the place of {' '.join(old)}", are_back, seconds=60)

    def renew(self, pod: str, *, grace_seconds: int = 1) -> None:
        """Give a StatefulSet's pod so long to end, and return when the next one in its place is ready."""
        old = self.get("pod", pod)["metadata"]["uid"]
        self.run("delete", "pod", pod, f"--grace-period={grace_seconds}", "--wait=false")

        def is_back() -> bool:
            found = json.loads(self.tried("get", "pod", pod, "-o", "json") or "{}")
            return bool(found) and found["metadata"]["uid"] != old and is_ready(found)

        until(f"the next {pod} is ready", is_back, seconds=60)

    def await_rollout(self, workload: str) -> None:
        """Return when a workload has all its pods ready again."""
        name = workload.partition("/")

        def has_all() -> bool:
            found = self.get(name[0], name[2])
            return bool(found["status"].get("readyReplicas", 0) == found["spec"]["replicas"])

        until(f"{workload} is ready", has_all, seconds=60)

    @contextmanager
    def forwarded(self, service: str, port: int) -> Iterator[str]:
        """Forward a free port of this machine to a service, and yield `host:port`."""
        with self._kubectl("port-forward", f"service/{service}", f":{port}") as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            match = _FORWARDED.search(said)
            assert match, f"kubectl port-forward to {service} says: {said or 'nothing'}"
            yield f"127.0.0.1:{match[1]}"

    @contextmanager
    def watched(self, resource: str, jsonpath: str) -> Iterator["Sequence"]:
        """Follow an expression over a resource meanwhile, and yield the values that it took."""
        sequence = Sequence()
        with self._kubectl("get", resource, "--watch", "-o", f'jsonpath={jsonpath}{{"\\n"}}') as process:
            reader = threading.Thread(target=sequence.read, args=(process,), daemon=True)
            reader.start()
            until(f"the watch on {resource}", lambda: sequence.values, seconds=10, every=0.05)
            yield sequence

    def _command(self, *arguments: str) -> list[str]:
        return [program("kubectl"), "--kubeconfig", str(KUBECONFIG), "-n", self.name, *arguments]

    @contextmanager
    def _kubectl(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        # It ends with this process, however that ends.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *self._command(*arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()


def is_ready(pod: dict[str, Any]) -> bool:
    """Return whether a pod that was read is ready."""
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


class Sequence:
    """The values that something took one after another, without repetitions, and when."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, str]] = []

    @property
    def values(self) -> list[str]:
        """The values alone."""
        return [value for _, value in self._seen]

    @property
    def changes(self) -> list[tuple[float, str]]:
        """The values with the times (by `time.monotonic`) at which they were first seen."""
        return list(self._seen)

    def first(self, after: float, worth: Callable[[str], bool]) -> float | None:
        """Return when (by `time.monotonic`) it first took a value that is worth it, after that time; None: not yet."""
        return next((at for at, value in list(self._seen) if at > after and worth(value)), None)

    def __str__(self) -> str:
        """Tell each value with the seconds since the first."""
        first, *later = self._seen or [(0.0, "nothing")]
        return " -> ".join([first[1], *(f"{value} ({at - first[0]:.1f} s)" for at, value in later)])

    def read(self, process: subprocess.Popen[str]) -> None:
        """Take note of every line that the process prints, until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            value = line.strip()
            if not self._seen or self._seen[-1][1] != value:
                self._seen.append((time.monotonic(), value))
