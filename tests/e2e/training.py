"""Training runs as their user sees them: an MLJob from `kubectl apply` to its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.namespace import Namespace
from tests.e2e.patience import until

IRIS = Path(__file__).parents[2] / "manifests" / "examples" / "iris.yaml"


def iris(name: str, **spec: Any) -> dict[str, Any]:
    """Return the example's MLJob under another name, its model too, with other parts of its spec."""
    job: dict[str, Any] = yaml.safe_load(IRIS.read_text())
    job["metadata"]["name"] = name
    job["spec"] |= {"model": {"name": name}} | spec
    return job


@dataclass(frozen=True)
class Job:
    """An MLJob as it was read."""

    document: dict[str, Any]

    @property
    def status(self) -> dict[str, Any]:
        """Its status; empty before the operator has seen it."""
        found: dict[str, Any] = self.document.get("status", {})
        return found

    @property
    def phase(self) -> str:
        """Its phase; empty before the operator has seen it."""
        return str(self.status.get("phase", ""))

    @property
    def ended(self) -> bool:
        """Whether it will never change again."""
        return self.phase in {"Complete", "Failed"}

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition."""
        found: dict[str, Any] = next(item for item in self.status["conditions"] if item["type"] == kind)
        return found


def read(namespace: Namespace, name: str) -> Job:
    """Read an MLJob."""
    return Job(namespace.get("mljob", name))


def ended(namespace: Namespace, name: str, *, seconds: float) -> Job:
    """Return an MLJob once it has ended."""

    def look() -> Job | None:
        job = read(namespace, name)
        return job if job.ended else None

    return until(f"the MLJob {name} ends", look, seconds=seconds)
