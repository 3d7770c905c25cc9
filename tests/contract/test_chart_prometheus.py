"""Prometheus: it reads the broker's detailed figures and every annotated pod of its namespace, and may see no more."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.chart import Release, release
from tools.debian import ensure_packages
from warren_operator.figures.prometheus import query

NAME = "warren-prometheus"


def configuration(rendering: Release) -> dict[str, Any]:
    return dict(yaml.safe_load(rendering.one("ConfigMap", NAME)["data"]["prometheus.yml"]))


def job(rendering: Release, name: str) -> dict[str, Any]:
    (found,) = [job for job in configuration(rendering)["scrape_configs"] if job["job_name"] == name]
    return dict(found)


@pytest.mark.parametrize("everything", [False, True])
def test_promtool_takes_its_configuration(everything: bool, tmp_path: Path) -> None:  # noqa: FBT001
    ensure_packages(["prometheus"])
    for name, text in release(everything=everything).one("ConfigMap", NAME)["data"].items():
        # Debian 12's promtool is built without discovery in Kubernetes.
        known = text.replace("kubernetes_sd_configs:", "static_configs:")
        known = known.replace("{role: pod, namespaces: {own_namespace: true}}", "{targets: []}")
        (tmp_path / name).write_text(known.replace("/etc/prometheus", str(tmp_path)))
    command = ["promtool", "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_reads_what_the_operator_asks_for_as_often_as_the_operator_is_told() -> None:
    rabbitmq = job(release(), "rabbitmq")
    assert rabbitmq["metrics_path"] == "/metrics/detailed"
    assert set(rabbitmq["params"]["family"]) == {"queue_coarse_metrics", "queue_consumer_count"}
    assert "rabbitmq_detailed_queue_messages_ready" in query(["warren.tasks.cpu"], "/")
    told = release("prometheus.scrapeSeconds=4")
    assert configuration(told)["global"]["scrape_interval"] == "4s"
    assert told.pod("Deployment", "warren-operator").settings["WARREN_SCRAPE_SECONDS"] == "4"


def test_it_finds_the_broker_of_the_release_or_the_one_outside() -> None:
    kept = [rule for rule in job(release(), "rabbitmq")["relabel_configs"] if rule["action"] == "keep"]
    broker = release().pod("StatefulSet", "warren-rabbitmq")
    assert [rule["regex"] for rule in kept] == ["warren", broker.component, "metrics"]
    assert "metrics" in {port["name"] for port in broker.main["ports"]}
    outside = job(release(everything=True), "rabbitmq")
    assert outside["static_configs"] == [{"targets": ["rabbit.example.com:15692"]}]


def test_it_sees_the_pods_of_its_own_namespace_only() -> None:
    for rule in configuration(release())["scrape_configs"]:
        assert all(sd["namespaces"] == {"own_namespace": True} for sd in rule["kubernetes_sd_configs"])
    assert release().one("Role", NAME)["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]


def test_every_part_of_warren_is_scraped() -> None:
    scraped = {pod.component for pod in release().pods if pod.annotations.get("prometheus.io/scrape") == "true"}
    assert scraped == {"producer", "consumer", "system", "operator"}


def test_one_of_ones_own_takes_its_place() -> None:
    rendering = release("prometheus.bundled=false", "prometheus.url=https://prometheus.example.com")
    assert not [d for d in rendering.documents if d["metadata"]["name"] == NAME]
    operator = rendering.pod("Deployment", "warren-operator")
    assert operator.settings["WARREN_PROMETHEUS_URL"] == "https://prometheus.example.com"
