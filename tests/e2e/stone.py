"""The worker in Node.js of `examples/node`, as its README deploys it: a pool that no consumer of Warren's serves."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.broker import rabbitmqctl
from tests.e2e.namespace import Namespace
from tools.images.components import name
from tools.images.examples import NODE

POOL: Final = "stone"
WORKER: Final = "stone-worker"
_ACCOUNT = "carver"
_MANIFEST = Path(__file__).parents[2] / "examples" / "node" / "kubernetes.yaml"


@contextmanager
def worked(namespace: Namespace) -> Iterator[None]:
    """Have the worker's account, Deployment and ConsumerPool meanwhile; nobody works until there is something to do."""
    password = secrets.token_hex(12)
    rabbitmqctl(namespace, "add_user", _ACCOUNT, password)
    try:
        rights = ("^$", r"^warren\.results$", rf"^warren\.tasks\.{POOL}$")
        rabbitmqctl(namespace, "set_permissions", "-p", "/", _ACCOUNT, *rights)
        url = f"--from-literal=url=amqp://{_ACCOUNT}:{password}@warren-rabbitmq:5672/%2F"
        namespace.run("create", "secret", "generic", WORKER, url)
        for resource in yaml.safe_load_all(_MANIFEST.read_text()):
            namespace.apply(_hurried(resource))
        yield
    finally:
        namespace.run("delete", "consumerpool,deployment", "-l", f"app={WORKER}", "--timeout=60s")
        namespace.run("delete", "secret", WORKER, "--ignore-not-found")
        rabbitmqctl(namespace, "delete_user", _ACCOUNT)


def _hurried(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the resource asleep from the beginning, with the image of this cluster and little patience."""
    if resource["kind"] == "ConsumerPool":
        return resource | {"spec": resource["spec"] | {"scaleDown": {"stabilizationSeconds": 5}}}
    changed: dict[str, Any] = json.loads(json.dumps(resource))
    changed["spec"]["replicas"] = 0
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = name(NODE)
    return changed
