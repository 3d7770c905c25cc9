"""A Deployment of real Celery workers, and a ConsumerPool that scales it.

Celery is not in Warren's images. It comes out of the benchmarks' environment, as archives in ConfigMaps that Python
imports from.
"""

import base64
import io
import json
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika

from benchmarks.environment import programs
from tests.e2e.namespace import Namespace

NAME = "carvers"
QUEUE = "warren.celery"
"""Named so that the account which owns the broker's topology may declare it."""

_WORKER = Path(__file__).with_name("celery_worker.py")
_FOLDER = "/celery"
_LOADED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from celery_worker import application
application("amqp://nobody", "none").Worker(pool="solo").blueprint
import kombu.transport.pyamqp, celery.concurrency.solo
roots = {name.partition(".")[0] for name in sys.modules}
files = {root: getattr(sys.modules[root], "__file__", None) for root in roots if root in sys.modules}
print(json.dumps({root: file for root, file in files.items() if file and "site-packages" in file}))
"""


def deploy(namespace: Namespace) -> None:
    """Put the workers and their pool into the namespace; nobody works until there is something to do."""
    archives = list(_archives())
    for number, archive in enumerate(archives):
        data = {f"{number}.zip": base64.b64encode(archive).decode()}
        namespace.create(_config_map(f"{NAME}-{number}") | {"binaryData": data})
    namespace.apply(_config_map(NAME) | {"data": {_WORKER.name: _WORKER.read_text()}})
    namespace.apply(_deployment(namespace, len(archives)))
    namespace.apply(_pool())


def remove(namespace: Namespace) -> None:
    """Take it all away again."""
    kinds = ("consumerpool", "deployment", "configmap")
    for kind in kinds:
        namespace.run("delete", kind, "-l", f"app={NAME}", "--ignore-not-found", "--timeout=60s")


async def publish(url: str, seconds: list[float]) -> None:
    """Publish a task for each number of seconds, as Celery's protocol 2 has it."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        exchange = await channel.declare_exchange(QUEUE, "direct", durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.bind(exchange, QUEUE)
        for duration in seconds:
            await exchange.publish(_task(duration), QUEUE)


async def forget(url: str) -> None:
    """Delete the queue and its exchange."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.queue_delete(QUEUE)
        await channel.exchange_delete(QUEUE)


def _task(seconds: float) -> aio_pika.Message:
    task_id = str(uuid.uuid4())
    no_calls = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return aio_pika.Message(
        json.dumps([[seconds], {}, no_calls]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        correlation_id=task_id,
        headers={"lang": "py", "task": "carve", "id": task_id, "root_id": task_id, "argsrepr": f"({seconds},)"},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _archives() -> Iterator[bytes]:
    """Yield what a worker imports beyond the standard library: an archive for each package, small enough for etcd."""
    command = [str(programs() / "python"), "-c", _LOADED, str(_WORKER.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    for place in json.loads(done.stdout).values():
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writing:
            for path, name in _sources(Path(place)):
                writing.write(path, name)
        yield archive.getvalue()


def _sources(place: Path) -> Iterator[tuple[Path, str]]:
    if place.name != "__init__.py":
        yield place, place.name
        return
    for path in sorted(place.parent.rglob("*")):
        if path.is_file() and path.suffix not in {".pyc", ".so"}:
            yield path, str(path.relative_to(place.parent.parent))


def _config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": NAME}}}


def _deployment(namespace: Namespace, archives: int) -> dict[str, Any]:
    """Return the workers: Warren's image for its Python, under the same restrictions."""
    pod = namespace.get("deployment", "warren-consumer-cpu")["spec"]["template"]["spec"]
    sources = [{"configMap": {"name": name}} for name in (NAME, *(f"{NAME}-{number}" for number in range(archives)))]
    account = f"warren-topology:{namespace.credential('warren-topology')}@warren-rabbitmq:5672"
    container = {
        "name": "worker",
        "image": pod["containers"][0]["image"],
        "imagePullPolicy": pod["containers"][0]["imagePullPolicy"],
        "securityContext": pod["containers"][0]["securityContext"],
        "command": ["python3", f"{_FOLDER}/{_WORKER.name}"],
        "env": [
            {"name": "BROKER", "value": f"amqp://{account}//"},
            {"name": "QUEUE", "value": QUEUE},
            {"name": "PYTHONPATH", "value": ":".join(f"{_FOLDER}/{number}.zip" for number in range(archives))},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "celery", "mountPath": _FOLDER}],
    }
    template = {
        "metadata": {"labels": {"app": NAME}},
        "spec": {
            "securityContext": pod["securityContext"],
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 60,
            "containers": [container],
            "volumes": [{"name": "celery", "projected": {"sources": sources}}],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {"selector": {"matchLabels": {"app": NAME}}, "replicas": 0, "template": template},
    }


def _pool() -> dict[str, Any]:
    return {
        "apiVersion": "warren.dev/v1alpha1",
        "kind": "ConsumerPool",
        "metadata": {"name": NAME, "labels": {"app": NAME}},
        "spec": {
            "queue": QUEUE,
            "scaleTargetRef": {"name": NAME},
            "maxReplicas": 2,
            "target": {"tasksPerReplica": 5},
            "scaleDown": {"stabilizationSeconds": 5},
        },
    }
