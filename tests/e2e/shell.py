"""The command line: in the producer's pod, as `kubectl exec` gives it to a person, and in a person's own shell."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.namespace import Namespace
from tests.pages import typed
from tools.cluster.layout import BIN, KUBECONFIG

PRODUCER = "deployment/warren-producer"
API = "WARREN_URL=http://127.0.0.1:8000"
OWN = os.environ | {"KUBECONFIG": str(KUBECONFIG), "PATH": f"{BIN}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
"""What a person's shell has after the two lines that `make cluster` ends with, where `warren` is installed."""


def own(commands: str, **environment: str) -> str:
    """Run commands of the docs in a person's shell; they must succeed. Return what they printed."""
    done = typed(commands, OWN | environment)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


class Shell:
    """Runs commands of `warren` there."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def tried(self, *command: str, environment: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it printed and its exit code."""
        return self._namespace.execute(PRODUCER, "env", API, *environment, "warren", *command)

    def run(self, *command: str) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.tried(*command)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout

    def document(self, *command: str) -> Any:
        """Run a command that must succeed and return the JSON that it printed."""
        return json.loads(self.run(*command, "-o", "json"))

    @property
    def topology(self) -> tuple[str, ...]:
        """The environment of the account that owns the broker's topology."""
        account = f"{self.topology_account}@warren-rabbitmq"
        return (
            f"WARREN_BROKER_URL=amqp://{account}:5672/%2F",
            f"WARREN_BROKER_MANAGEMENT_URL=http://{account}:15672",
        )

    @property
    def topology_account(self) -> str:
        """That account's name and password, as they stand in a URL."""
        return f"warren-topology:{self._namespace.credential('warren-topology')}"
