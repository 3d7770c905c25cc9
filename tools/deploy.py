"""`python -m tools.deploy`: builds the images, brings them to the cluster and installs the chart there.

The cluster is the one of kubectl's current context; where there is none, or it is the local one of `make cluster`,
images need no registry.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.cluster.layout import BIN, KUBECONFIG

_ROOT = Path(__file__).resolve().parent.parent
_NAME = "warren"
_LOCAL_VALUES = _ROOT / "tests" / "e2e" / "values.yaml"


class DeployError(Exception):
    """Nothing was installed; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line; return 0 when the release is ready."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("--registry", help="where the cluster pulls images from; the local cluster needs none")
    parser.add_argument("--namespace", default=_NAME, help="default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        environment = _environment()
        values = _images(options.registry, environment)
        _install(options.namespace, values, environment)
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _environment() -> dict[str, str]:
    """Return the environment of helm and kubectl: the user's own, or the local cluster's where they have no context."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{BIN}"}
    if _server(environment) is None and KUBECONFIG.exists():
        environment["KUBECONFIG"] = str(KUBECONFIG)
    if _server(environment) is None:
        message = "kubectl has no current context, and there is no local cluster. Make one: make cluster"
        raise DeployError(message)
    return environment


def _server(environment: dict[str, str]) -> str | None:
    """Return the address of the current context's API server, None where there is no context."""
    asked = ["kubectl", "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"]
    try:
        done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def _is_local(environment: dict[str, str]) -> bool:
    return KUBECONFIG.exists() and _server(environment) == _server({**environment, "KUBECONFIG": str(KUBECONFIG)})


def _images(registry: str | None, environment: dict[str, str]) -> list[str]:
    """Build the images, bring them where the cluster's nodes find them, and return what Helm must know about them."""
    if registry:
        _run([sys.executable, "-m", "tools.images", "build", "--registry", registry])
        _run([sys.executable, "-m", "tools.images", "push", "--registry", registry])
        return ["--set", f"image.registry={registry}"]
    if not _is_local(environment):
        message = (
            "the current context is not the local cluster: name the registry that it pulls from, "
            "make deploy ARGS='--registry registry.example.com/team'"
        )
        raise DeployError(message)
    _run([sys.executable, "-m", "tools.images", "build"])
    _run([sys.executable, "-m", "tools.images", "load", "--standins"])
    return ["--values", str(_LOCAL_VALUES)]


def _install(namespace: str, values: list[str], environment: dict[str, str]) -> None:
    chart = str(_ROOT / "helm" / "warren")
    place = ["-n", namespace, "--create-namespace"]
    _run(["helm", "upgrade", "--install", _NAME, chart, *place, *values, "--wait", "--wait-for-jobs"], environment)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    print(f"$ {' '.join(command)}", flush=True)
    try:
        done = subprocess.run(command, env=environment, cwd=_ROOT, check=False)
    except FileNotFoundError as error:
        message = f"{command[0]} is not installed"
        raise DeployError(message) from error
    if done.returncode:
        message = f"{command[0]} failed ({done.returncode})"
        raise DeployError(message)


if __name__ == "__main__":
    sys.exit(main())
