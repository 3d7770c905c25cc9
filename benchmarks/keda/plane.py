"""A control plane without a node: etcd, the API server, and the controllers that scaling takes.

Its pods are never run: somebody has to stand in for them.

Forbidden here: KEDA, and whatever lies outside of the loopback interface and the state folder.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.keda.program import NAME, Identity, Program, answers_ok, make_identity
from tools.cluster import arguments
from tools.cluster.arguments import Pair, Papers
from tools.gobuild import build
from tools.stack.server import LOOPBACK, NotReadyError, Server

ETCD_PORT: Final = 16900
ETCD_PEER_PORT: Final = 16901
API_PORT: Final = 16902
CONTROLLERS_PORT: Final = 16903
CONTROLLERS: Final = (
    "deployment-controller",
    "replicaset-controller",
    "horizontal-pod-autoscaler-controller",
)
CALL_SECONDS: Final = 60.0
_EVENT_BYTES: Final = 2**20

Resource = Mapping[str, Any]


class PlaneError(Exception):
    """kubectl could not do what it was asked; the message ends with what it said."""


@dataclass(frozen=True)
class Plane:
    """The control plane, through its own kubectl."""

    kubeconfig: Path
    identity: Identity

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """Run kubectl and return what it printed. Raises `PlaneError`."""
        command = self._command(*words)
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=CALL_SECONDS)
        if done.returncode:
            raise PlaneError(f"kubectl {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *resources: Resource) -> None:
        """Apply resources, in their order."""
        document = {"apiVersion": "v1", "kind": "List", "items": resources}
        self.kubectl("apply", "--server-side", "--filename=-", given=json.dumps(document))

    async def watch(self, path: str) -> AsyncIterator[tuple[str, Resource]]:
        """Follow what is listed under a path of the API; yield what happens (ADDED, ...) and to what.

        Raises:
            PlaneError: the API server ended it.

        """
        command = self._command("get", "--raw", path)
        # An event is a line, of any length.
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=_EVENT_BYTES)
        try:
            assert process.stdout is not None
            async for line in process.stdout:
                event = json.loads(line)
                yield event["type"], event["object"]
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
        raise PlaneError(f"the watch of {path} has ended")

    def _command(self, *words: str) -> list[str]:
        # It ends with this process, however that ends.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"]
        return [*guard, str(build("kubectl")), "--kubeconfig", str(self.kubeconfig), *words]


@contextmanager
def running(state: Path) -> Iterator[Plane]:
    """Run the control plane inside the block.

    Raises `ServerError`, and `GoBuildError` where a program cannot be built.
    """
    identity = make_identity(state / "identity")
    plane = Plane(state / "kubeconfig", identity)
    plane.kubeconfig.write_text(json.dumps(_kubeconfig(identity)))
    with (
        Server(_etcd(state)).running(),
        Server(_api_server(state, plane)).running(),
        Server(_controllers(state, plane)).running(),
    ):
        yield plane


def _etcd(state: Path) -> Program:
    command = [str(build("etcd")), *arguments.etcd(state / "etcd" / "data", ETCD_PORT, ETCD_PEER_PORT)]
    ports = (ETCD_PORT, ETCD_PEER_PORT)
    return Program("etcd", state / "etcd", ports, command, answers_ok(f"http://{LOOPBACK}:{ETCD_PORT}/health"))


def _api_server(state: Path, plane: Plane) -> Program:
    identity = plane.identity
    itself = Pair(identity.certificate, identity.key)
    papers = Papers(identity.authority, itself, itself, identity.authority, itself, NAME)
    command = [
        str(build("kube-apiserver")),
        *arguments.api_server(LOOPBACK, API_PORT, ETCD_PORT, "https://kubernetes.default.svc", papers),
        # It would make itself known to pods, of which there are none, and a loopback address is refused there.
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=198.19.0.0/24",
        "--authorization-mode=RBAC",
        # Pods could not be made before somebody has made their namespace's account.
        "--disable-admission-plugins=ServiceAccount",
    ]

    def probe() -> None:
        try:
            plane.kubectl("get", "--raw", "/readyz")
        except PlaneError as error:
            raise NotReadyError(str(error)) from error

    return Program("kube-apiserver", state / "kube-apiserver", (API_PORT,), command, probe)


def _controllers(state: Path, plane: Plane) -> Program:
    """Return the controller manager with nothing changed of what concerns scaling: that is what is measured."""
    command = [
        str(build("kube-controller-manager")),
        f"--kubeconfig={plane.kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={CONTROLLERS_PORT}",
        "--leader-elect=false",
        f"--controllers={','.join(CONTROLLERS)}",
    ]

    def probe() -> None:
        # Its own pages are encrypted by a certificate that it makes up; the log says why, if it does not listen.
        with socket.create_connection((LOOPBACK, CONTROLLERS_PORT), timeout=1):
            pass

    name = "kube-controller-manager"
    return Program(name, state / name, (CONTROLLERS_PORT,), command, probe)


def _kubeconfig(identity: Identity) -> dict[str, Any]:
    cluster = {"server": f"https://{LOOPBACK}:{API_PORT}", "certificate-authority": identity.authority}
    user = {"client-certificate": identity.certificate, "client-key": identity.key}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
