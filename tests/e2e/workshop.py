"""A pool for tasks of one's own, added to the release by an upgrade.

Its package lies in a ConfigMap, where a user would build an image on Warren's. What its tasks write outside of Warren
lies on a volume of its own.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.patience import until
from tests.e2e.pools import SELECTOR, deployment, ready
from tests.e2e.release import Release
from tests.e2e.workshop_tasks import POOL, ROWS, SHELF

SLOTS = 16
MEMORY_MEBIBYTES = 640
VALUES = (
    f"pools.{POOL}.concurrency={SLOTS}",
    f"pools.{POOL}.resources.limits.memory={MEMORY_MEBIBYTES}Mi",
    f"pools.{POOL}.env.PYTHONPATH=/tasks",
    f"pools.{POOL}.maxReplicas=2",
    f"pools.{POOL}.scaleDown.stabilizationSeconds=5",
)
_MODULE = Path(__file__).with_name("workshop_tasks.py")
_INSTALLED = "workshop_tasks-1.dist-info"
_FILES = {
    "module": (_MODULE.name, _MODULE.read_text()),
    "metadata": (f"{_INSTALLED}/METADATA", "Metadata-Version: 2.1\nName: workshop-tasks\nVersion: 1\n"),
    "entry-points": (f"{_INSTALLED}/entry_points.txt", f"[warren.tasks]\nworkshop = {_MODULE.stem}\n"),
}


@dataclass(frozen=True)
class Rows:
    """What the runs have written: how often each task was started, and how often one of its runs came to its end."""

    started: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)


class Workshop:
    """The pool."""

    pool = POOL

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    @classmethod
    def added_to(cls, release: Release) -> "Workshop":
        """Add the pool to the release, and its package and volume to the pool."""
        release.upgrade(*VALUES)
        for resource in (_package(), _volume()):
            release.namespace.apply(resource)
        release.namespace.run("patch", "deployment", deployment(POOL), "-p", json.dumps(_mounts()))
        workshop = cls(release.namespace)
        until("the pool's pods have the package", workshop._equipped, seconds=60)
        return workshop

    def rows(self) -> Rows:
        """Return what the runs have written so far."""
        rows = Rows()
        for line in self.run("cat", str(ROWS)).splitlines():
            task_id, word = line.split()
            (rows.started if word == "started" else rows.ended)[task_id] += 1
        return rows

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


def _mounts() -> dict[str, Any]:
    items = [{"key": key, "path": path} for key, (path, _) in _FILES.items()]
    volumes = [
        {"name": "tasks", "configMap": {"name": POOL, "items": items}},
        {"name": "shelf", "persistentVolumeClaim": {"claimName": POOL}},
    ]
    mounts = [{"name": "tasks", "mountPath": "/tasks"}, {"name": "shelf", "mountPath": str(SHELF)}]
    container = {"name": "consumer", "volumeMounts": mounts}
    return {"spec": {"template": {"spec": {"volumes": volumes, "containers": [container]}}}}
