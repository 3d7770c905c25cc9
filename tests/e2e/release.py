"""The release under test: Helm's commands, and a namespace with nothing of an earlier run in it."""

import json
import os
import subprocess
from pathlib import Path

from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tools.cluster.binaries import program
from tools.cluster.kubectl import answers, kubectl
from tools.cluster.layout import KUBECONFIG
from tools.cluster.stages import ClusterError

NAME = "warren"
CHART = Path(__file__).parents[2] / "helm" / "warren"
VALUES = Path(__file__).parent / "values.yaml"
POOLS = ("cpu", "train-cpu")
CRDS = ("mljobs.warren.dev", "consumerpools.warren.dev")
_OWNER = "{.metadata.annotations['meta\\.helm\\.sh/release-namespace']}"
_CREATED = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels: {{pod-security.kubernetes.io/enforce: restricted}}
"""


class Release:
    """Warren, installed in a namespace of its own that enforces Pod Security `restricted`."""

    def __init__(self) -> None:
        self.namespace = Namespace(NAME)
        self._changes: list[str] = []

    def install(self) -> None:
        """Install the chart and wait until everything of it is ready."""
        kubectl("apply", "-f", "-", given=_CREATED.format(name=NAME))
        self._helm("install", NAME, str(CHART), "--values", str(VALUES), "--wait", "--wait-for-jobs", "--timeout=180s")
        self._hurry()

    def upgrade(self, *settings: str, values: Path | None = None) -> None:
        """Upgrade to the same chart with other values, from a file as well; later upgrades keep them."""
        if values:
            self.keep(values)
        self._changes += [argument for setting in settings for argument in ("--set", setting)]
        self._helm("upgrade", NAME, str(CHART), "--values", str(VALUES), *self._changes, "--wait", "--timeout=180s")
        self._hurry()

    def keep(self, values: Path) -> None:
        """Have later upgrades use the values of a file, too."""
        self._changes += ["--values", str(values)]

    def uninstall(self) -> None:
        """Uninstall the release."""
        self._helm("uninstall", NAME, "--timeout=120s")

    def installed(self) -> bool:
        """Tell whether Helm knows of the release."""
        return bool(json.loads(self._helm("list", "--all", "--filter", f"^{NAME}$", "--output=json")))

    def clear(self) -> None:
        """Remove whatever an earlier run left, one that was killed in the middle too, the CRDs included."""
        if answers("get", "namespace", NAME):
            self._uninstall_rest()
            kubectl("delete", "namespace", NAME, "--wait=false")
            until(f"the namespace {NAME} is gone", self._gone, seconds=120)
        for crd in _crds():
            self._refuse_to_take(crd)
            kubectl("delete", "crd", crd, "--ignore-not-found", "--wait=false")
        until("the CRDs are gone", lambda: not _crds(), seconds=30)

    def _hurry(self) -> None:
        """Let pools sleep after 5 s without work instead of the chart's 60: the values must stay those of the chart."""
        for pool in POOLS:
            self.namespace.patch("consumerpool", pool, {"scaleDown": {"stabilizationSeconds": 5}})

    def _uninstall_rest(self) -> None:
        if self.installed():
            self._helm("uninstall", NAME, "--no-hooks")
        for job in self.namespace.tried("get", "mljobs", "-o", "name").split():
            self.namespace.tried("patch", job, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        self.namespace.tried("delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")

    @staticmethod
    def _gone() -> bool:
        return not answers("get", "namespace", NAME)

    def _refuse_to_take(self, crd: str) -> None:
        """Raise `ClusterError` if the CRD belongs to a release of another namespace that is still there."""
        owner = answers("get", "crd", crd, "-o", f"jsonpath={_OWNER}")
        if owner not in {"", NAME} and json.loads(self._helm("list", "--all", f"--namespace={owner}", "--output=json")):
            message = f"{crd} belongs to a release in the namespace {owner}; uninstall that before this suite can run"
            raise ClusterError(message)

    def _helm(self, *arguments: str) -> str:
        command = [program("helm"), "--kubeconfig", str(KUBECONFIG), "-n", self.namespace.name, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=300)
        if done.returncode:
            message = f"helm {' '.join(arguments)} failed: {done.stderr.strip()}"
            raise ClusterError(message)
        return done.stdout


def _crds() -> list[str]:
    return [crd for crd in CRDS if answers("get", "crd", crd)]
