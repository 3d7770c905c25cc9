"""Dashboards: every metric that they name is declared, by Warren or by RabbitMQ."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import warren_operator.metrics as operator_metrics
from tests.contract.chart import CHART, release
from warren_consumer.metrics import Metrics as ConsumerMetrics
from warren_consumer.system.metrics import SystemMetrics
from warren_producer.metrics import Metrics as ProducerMetrics

RABBITMQ = {
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
    "rabbitmq_detailed_queue_consumers",
}
"""Of the families that the chart's Prometheus reads; the same on 3.10, 4.0 and 4.3."""

METRIC = re.compile(r"\b(?:warren|rabbitmq)_[a-z0-9_]+")
DASHBOARDS = {path.name: json.loads(path.read_text()) for path in (CHART / "files" / "dashboards").glob("*.json")}


def series(*registries: CollectorRegistry) -> set[str]:
    """Return the names of all series that the registries can have."""
    found: set[str] = set()
    for registry in registries:
        for family in registry.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            found |= {f"{family.name}{suffix}" for suffix in suffixes}
    return found


def declared() -> set[str]:
    consumer = ConsumerMetrics("cpu").registry
    SystemMetrics(consumer)
    own = series(consumer, ProducerMetrics(lambda: 0.0).registry)
    metrics = [
        value
        for name, value in vars(operator_metrics).items()
        if name.isupper() and isinstance(value, MetricWrapperBase)
    ]
    operator = CollectorRegistry()
    for metric in metrics:
        operator.register(metric)
    return own | series(operator) | RABBITMQ


def expressions(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return asked + [variable["definition"] for variable in dashboard["templating"]["list"] if "definition" in variable]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_metric_is_declared(name: str) -> None:
    named = {metric for text in expressions(DASHBOARDS[name]) for metric in METRIC.findall(text)}
    assert named
    assert not named - declared()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_it_can_be_found_again_and_takes_any_data_source(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"warren-{name.removesuffix('.json')}"
    assert all(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for panel in dashboard["panels"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_queues_dashboard_shows_what_waits_runs_moves_scales_and_is_told() -> None:
    asked = " ".join(expressions(DASHBOARDS["queues.json"]))
    parts = ("messages_ready", "messages_unacked", "rate(", "desired_replicas", "warren_operator_pool_replicas")
    for part in (*parts, "warren_system_webhooks_total", "warren_system_webhooks_pending"):
        assert part in asked


def test_grafanas_sidecar_finds_them() -> None:
    found = release().one("ConfigMap", "warren-dashboards")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name: json.loads(text) for name, text in found["data"].items()} == DASHBOARDS
