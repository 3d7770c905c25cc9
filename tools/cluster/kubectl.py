"""Calls of the cluster's own kubectl."""

import subprocess
from pathlib import Path

from tools.cluster.binaries import program
from tools.cluster.layout import KUBECONFIG
from tools.cluster.stages import ClusterError


def kubectl(*arguments: str, given: str | None = None, kubeconfig: Path = KUBECONFIG) -> str:
    """Run kubectl, with `given` on its standard input, and return what it printed. Raises `ClusterError`."""
    done = _run(arguments, given, kubeconfig)
    if done.returncode:
        message = f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}"
        raise ClusterError(message)
    return done.stdout


def answers(*arguments: str, kubeconfig: Path = KUBECONFIG) -> str:
    """Return what kubectl printed, or nothing when it failed: for probes."""
    done = _run(arguments, None, kubeconfig)
    return "" if done.returncode else done.stdout


def _run(arguments: tuple[str, ...], given: str | None, kubeconfig: Path) -> subprocess.CompletedProcess[str]:
    command = [program("kubectl"), "--kubeconfig", str(kubeconfig), "--request-timeout=5s", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)
