"""A receiver of webhooks in the cluster: the one of docs/webhooks.md, which checks signatures; a pod with a Service.

At some paths it is in a mood: it answers 500 or nothing at all, to the first attempt of each webhook, or 410 to all. At
`/302` and `/307` it leads to the URL that follows as the query.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.patience import until
from warren.client import Job

NAME = "receiver"
PORT = 9000
CLOSED = 9001
"""A port of the Service where nobody listens, until `open` is called."""
DEAF = 9002
"""A port where every connection is taken, and nobody ever answers."""
LABELS = {"app.kubernetes.io/name": NAME}
SYSTEM = "warren-system"
_PAGE = Path(__file__).parents[2] / "docs" / "webhooks.md"
_LOOPBACK = '"127.0.0.1"'
_SERVING = 'if __name__ == "__main__":'
_MOODS = f"""
import socket
deaf = socket.create_server(("", {DEAF}), backlog=100)

class Moody(Receiver):
    met = set()

    def do_POST(self):
        first = self.headers["webhook-id"] not in self.met
        self.met.add(self.headers["webhook-id"])
        if self.path == "/silent" and first:
            return
        path, _, location = self.path.partition("?")
        if answer := {{"/gone": 410, "/stumbles": 500 * first, "/302": 302, "/307": 307}}.get(path):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(answer)
            if location:
                self.send_header("location", location)
            self.end_headers()
            return
        super().do_POST()


"""
_TAKEN = re.compile(r"^\S+_(?:succeeded|failed|canceled|expired) \{", re.MULTILINE)


class Receiver:
    """The receiver, whose pod may go and come back while its Service stays.

    It knows the secret that it is given, or the installation's.
    """

    def __init__(self, namespace: Namespace, secret: str | None = None) -> None:
        self._namespace = namespace
        self._secret = secret
        self.host = f"{NAME}.{namespace.name}.svc"
        self.url = self.at("told")

    def at(self, path: str, port: int = PORT) -> str:
        """Return the URL of a path."""
        return f"http://{self.host}:{port}/{path}"

    def leading(self, code: int, url: str) -> str:
        """Return the URL of a redirect to another."""
        return f"{self.at(str(code))}?{url}"

    def open(self) -> None:
        """Have it reached through the closed port as well."""
        self._namespace.apply(_service(PORT))

    def addresses(self) -> list[str]:
        """Return the addresses, of its pod and its Service, by which it is in a network that nobody allowed."""
        pod, service = self._namespace.get("pod", NAME), self._namespace.get("service", NAME)
        return [pod["status"]["podIP"], service["spec"]["clusterIP"]]

    def start(self) -> None:
        """Have its pod ready."""
        installations = {"valueFrom": {"secretKeyRef": {"name": "warren-credentials", "key": "webhooks"}}}
        secret = {"name": "WEBHOOK_SECRET"} | ({"value": self._secret} if self._secret else installations)
        self._namespace.apply(_pod(self._namespace.get("deployment", SYSTEM)["spec"]["template"]["spec"], secret))
        until("the receiver is ready", lambda: is_ready(self._namespace.get("pod", NAME)), seconds=60)

    def stop(self) -> None:
        """Have no pod."""
        self._namespace.run("delete", "pod", NAME, "--ignore-not-found", "--grace-period=1", "--wait")

    def told(self, *answered: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the `webhook-id` and the body of each webhook that was genuine, as they came to the present pod.

        Those that it has answered are waited for: what a pod prints comes to its log a moment later.
        """
        until("the log has them", lambda: {*answered} <= {named for named, _ in self._logged()}, seconds=10)
        return self._logged()

    def _logged(self) -> list[tuple[str, dict[str, Any]]]:
        lines = [line for line in self._namespace.run("logs", f"pod/{NAME}").splitlines() if _TAKEN.match(line)]
        return [(named, json.loads(body)) for named, _, body in (line.partition(" ") for line in lines)]


def answers(job: Job[Any]) -> list[int]:
    """Return what has been answered for a task, in turn: attempts that reached nobody are left out."""
    return [attempt.status for attempt in job.deliveries().attempts if attempt.status]


@contextmanager
def receiving(namespace: Namespace, secret: str | None = None) -> Iterator[Receiver]:
    """Run a receiver meanwhile; nothing of it stays."""
    receiver = Receiver(namespace, secret)
    try:
        namespace.apply(_service())
        receiver.start()
        yield receiver
    finally:
        receiver.stop()
        namespace.run("delete", "service", NAME, "--ignore-not-found")


def _service(behind: int = CLOSED) -> dict[str, Any]:
    """Return the Service, with that port of the pod behind the one that is closed."""
    ports = [
        {"name": "open", "port": PORT},
        {"name": "closed", "port": CLOSED, "targetPort": behind},
        {"name": "deaf", "port": DEAF},
    ]
    spec = {"selector": LABELS, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}


def _pod(system: dict[str, Any], secret: dict[str, Any]) -> dict[str, Any]:
    """Return a pod that has no more rights than the system pool's, on the same image, for its Python."""
    inherited = {name: system["containers"][0][name] for name in ("image", "imagePullPolicy", "securityContext")}
    container = {
        "name": NAME,
        "command": ["python3", "-u", "-c", _source()],
        "env": [secret],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    spec = {
        "securityContext": system["securityContext"],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [inherited | container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": NAME, "labels": LABELS}, "spec": spec}


def _source() -> str:
    """Return the page's receiver, which listens on loopback there, listening to other pods, with its moods."""
    [first] = re.findall(r"```python\n(.*?HTTPServer.*?)```", _PAGE.read_text(), re.DOTALL)
    assert _LOOPBACK in first
    before, serving, after = str(first).replace(_LOOPBACK, '""').partition(_SERVING)
    assert "Receiver" in after
    return before + _MOODS + serving + after.replace("Receiver", "Moody")
