"""Deployments for an operator to scale, none of whose pods ever runs."""

from __future__ import annotations

from typing import Any, Final

METRICS_PORT: Final = 8001


def deployment(name: str, *, replicas: int = 0, **pod: Any) -> dict[str, Any]:
    """Return one; `pod` is what else its pods' specification says."""
    labels = {"app": name}
    ports = [{"name": "other", "containerPort": 8000}, {"name": "metrics", "containerPort": METRICS_PORT}]
    containers = [{"name": "consumer", "image": "warren.invalid/none:0", "ports": ports}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
