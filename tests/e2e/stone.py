"""The programs in Node.js of `examples/node`: the worker as its README deploys it, and the client, outside the cluster.

The worker's pool is one that no consumer of Warren's serves.
"""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.broker import rabbitmqctl
from tests.e2e.namespace import Namespace
from tools.images.components import name
from tools.images.examples import NODE
from tools.node import install

POOL: Final = "stone"
WORKER: Final = "stone-worker"
_PROGRAMS = Path(__file__).parents[2] / "examples" / "node"
_MANIFEST = _PROGRAMS / "kubernetes.yaml"
_CARVER = ("carver", "^$", r"^warren\.results$", rf"^warren\.tasks\.{POOL}$")
_REPLIES = r"^warren\.reply\..*$"
_MASON = ("mason", _REPLIES, r"^warren\.(tasks|delay\..*|events|reply\..*)$", _REPLIES)
"""The accounts of docs/protocol.md, each with what it may configure, write and read."""


@contextmanager
def worked(namespace: Namespace) -> Iterator[None]:
    """Have the worker's account, Deployment and ConsumerPool meanwhile; nobody works until there is something to do."""
    with _account(namespace, *_CARVER) as credentials:
        try:
            url = f"--from-literal=url=amqp://{credentials}@warren-rabbitmq:5672/%2F"
            namespace.run("create", "secret", "generic", WORKER, url)
            for resource in yaml.safe_load_all(_MANIFEST.read_text()):
                namespace.apply(_hurried(resource))
            yield
        finally:
            namespace.run("delete", "consumerpool,deployment", "-l", f"app={WORKER}", "--timeout=60s")
            namespace.run("delete", "secret", WORKER, "--ignore-not-found")


def submitted(namespace: Namespace, *tasks: tuple[str, str, dict[str, Any]]) -> list[tuple[str, Any]]:
    """Have the client submit tasks, each a pool, a name and arguments; return the state and content of each reply."""
    with _account(namespace, *_MASON) as credentials, namespace.forwarded("warren-rabbitmq", 5672) as address:
        return [_replied(f"amqp://{credentials}@{address}/", *task) for task in tasks]


def _replied(url: str, pool: str, task: str, arguments: dict[str, Any]) -> tuple[str, Any]:
    command = ["node", "client.js", url, pool, task, json.dumps(arguments)]
    done = subprocess.run(command, cwd=install(_PROGRAMS), capture_output=True, text=True, check=False, timeout=90)
    state, _, content = done.stdout.partition("\n")
    assert content, done.stderr
    return state, json.loads(content)


@contextmanager
def _account(namespace: Namespace, name: str, *rights: str) -> Iterator[str]:
    """Have an account at the broker meanwhile, and yield its name and password as they stand in a URL."""
    password = secrets.token_hex(12)
    rabbitmqctl(namespace, "add_user", name, password)
    try:
        rabbitmqctl(namespace, "set_permissions", "-p", "/", name, *rights)
        yield f"{name}:{password}"
    finally:
        rabbitmqctl(namespace, "delete_user", name)


def _hurried(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource asleep from the beginning, with the image of this cluster and little patience."""
    if resource["kind"] == "ConsumerPool":
        return resource | {"spec": resource["spec"] | {"scaleDown": {"stabilizationSeconds": 5}}}
    changed: dict[str, Any] = json.loads(json.dumps(resource))
    changed["spec"]["replicas"] = 0
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = name(NODE)
    return changed
