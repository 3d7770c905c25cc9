"""Pools for tasks of one's own, added to the release by an upgrade: the workshop's, and those of `examples/gather`.

Their package lies in a ConfigMap, where a user would build images on Warren's: one for the pools, one for the producer.
What the workshop's tasks write outside of Warren lies on a volume of its own.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e import lost
from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.patience import until
from tests.e2e.pools import SELECTOR, deployment, ready
from tests.e2e.release import Release
from tests.e2e.workshop_tasks import POOL, ROWS, SHELF

PRODUCER = "warren-producer"
SLOTS = 16
MEMORY_MEBIBYTES = 640
GRACE_SECONDS = 60
"""Half a minute more than is kept for handing back."""
CRASHING = "counters"
GATHERED = ("readers", CRASHING)
"""The pools of `examples/gather`; the consumers of one crash for a while in one scenario."""
_SMALL = ("concurrency=4", "maxReplicas=1", "scaleDown.stabilizationSeconds=5", "env.PYTHONPATH=/tasks")
VALUES = (
    f"pools.{POOL}.concurrency={SLOTS}",
    f"pools.{POOL}.resources.limits.memory={MEMORY_MEBIBYTES}Mi",
    f"pools.{POOL}.env.PYTHONPATH=/tasks",
    f"pools.{POOL}.maxReplicas=2",
    f"pools.{POOL}.gracePeriodSeconds={GRACE_SECONDS}",
    f"pools.{POOL}.scaleDown.stabilizationSeconds=5",
    *(f"pools.{pool}.{setting}" for pool in GATHERED for setting in _SMALL),
    f"pools.{lost.POOL}.foreign=true",
)
_MODULE = Path(__file__).with_name("workshop_tasks.py")
_GATHER = Path(__file__).parents[2] / "examples" / "gather" / "gather.py"
_INSTALLED = "workshop_tasks-1.dist-info"
_FILES = {
    "module": (_MODULE.name, _MODULE.read_text()),
    "gather": (_GATHER.name, _GATHER.read_text()),
    "metadata": (f"{_INSTALLED}/METADATA", "Metadata-Version: 2.1\nName: workshop-tasks\nVersion: 1\n"),
    "entry-points": (f"{_INSTALLED}/entry_points.txt", f"[warren.tasks]\nworkshop = {_MODULE.stem}\ngather = gather\n"),
}


@dataclass(frozen=True)
class Rows:
    """What the runs have written: how often each task was started, and how often one of its runs came to its end."""

    started: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    starts: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each was started, by the pods' clock."""


class Workshop:
    """The pool."""

    pool = POOL

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    @classmethod
    def added_to(cls, release: Release) -> "Workshop":
        """Add the pools to the release, their package to them and the producer, and the volume to the workshop's."""
        release.upgrade(*VALUES)
        for resource in (_package(), _volume()):
            release.namespace.apply(resource)
        equipped = {deployment(POOL): _shelved(_mounts("consumer")), PRODUCER: _mounts("producer")}
        for name, mounts in (equipped | {deployment(pool): _mounts("consumer") for pool in GATHERED}).items():
            release.namespace.run(
                "patch", "deployment", name, "-p", json.dumps({"spec": {"template": {"spec": mounts}}})
            )
        release.namespace.run("rollout", "status", f"deployment/{PRODUCER}", "--timeout=60s")
        workshop = cls(release.namespace)
        until("the pool's pods have the package", workshop._equipped, seconds=60)
        return workshop

    def rows(self) -> Rows:
        """Return what the runs have written so far."""
        rows = Rows()
        for line in self.run("sh", "-c", 'touch "$0" && cat "$0"', str(ROWS)).splitlines():
            task_id, word, at = line.split()
            (rows.started if word == "started" else rows.ended)[task_id] += 1
            if word == "started":
                rows.starts[task_id].append(float(at))
        return rows

    def forget_rows(self) -> None:
        """Begin anew with the rows: all of them are read each time."""
        self.run("truncate", "--size=0", str(ROWS))

    def run(self, *command: str) -> str:
        """Run a command in one of the pool's pods and return what it printed."""
        pod = until("a pod of the pool is ready", lambda: ready(self._namespace, POOL), seconds=30)[0]
        done = self._namespace.execute(f"pod/{pod}", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _equipped(self) -> bool:
        pods = self._namespace.all("pods", SELECTOR + POOL)
        return all(is_ready(pod) and "shelf" in str(pod["spec"]["volumes"]) for pod in pods)

    def put_on_the_shelf(self, part: str) -> None:
        """Bring what `assemble` looks for."""
        self.run("touch", str(SHELF / part))


def _package() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": POOL},
        "data": {key: text for key, (_, text) in _FILES.items()},
    }


def _volume() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": POOL},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
    }


def _mounts(container: str) -> dict[str, Any]:
    """Return what gives a pod's container the package."""
    items = [{"key": key, "path": path} for key, (path, _) in _FILES.items()]
    volumes = [{"name": "tasks", "configMap": {"name": POOL, "items": items}}]
    mounts = [{"name": "tasks", "mountPath": "/tasks"}]
    path = [{"name": "PYTHONPATH", "value": "/tasks"}]
    return {"volumes": volumes, "containers": [{"name": container, "env": path, "volumeMounts": mounts}]}


def _shelved(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the same with the volume."""
    volume = {"name": "shelf", "persistentVolumeClaim": {"claimName": POOL}}
    (container,) = pod["containers"]
    mounts = [*container["volumeMounts"], {"name": "shelf", "mountPath": str(SHELF)}]
    return {"volumes": [*pod["volumes"], volume], "containers": [container | {"volumeMounts": mounts}]}
