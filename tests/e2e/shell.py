"""The command line in the producer's pod, as `kubectl exec` gives it to a person."""

import json
import subprocess
from typing import Any

from tests.e2e.namespace import Namespace

PRODUCER = "deployment/warren-producer"
API = "WARREN_URL=http://127.0.0.1:8000"


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
        account = f"warren-topology:{self._namespace.credential('warren-topology')}@warren-rabbitmq"
        return (
            f"WARREN_BROKER_URL=amqp://{account}:5672/%2F",
            f"WARREN_BROKER_MANAGEMENT_URL=http://{account}:15672",
        )
