"""Alert rules: they fire when they must and, as important, do not when they must not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.contract.chart import CHART, release
from tests.contract.test_dashboards import METRIC, declared
from tools.debian import ensure_packages

RULES = sorted((CHART / "files" / "rules").glob("*.yaml"))
CASES = Path(__file__).parent / "alerts"
each_rule = pytest.mark.parametrize("path", RULES, ids=[path.stem for path in RULES])


@each_rule
def test_one_alert_a_file_with_a_way_out(path: Path) -> None:
    (group,) = yaml.safe_load(path.read_text())["groups"]
    (rule,) = group["rules"]
    assert group["name"] == f"warren-{path.stem}"
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description"} <= rule["annotations"].keys()


@each_rule
def test_every_metric_is_declared(path: Path) -> None:
    (rule,) = yaml.safe_load(path.read_text())["groups"][0]["rules"]
    assert set(METRIC.findall(rule["expr"])) <= declared()


@each_rule
def test_it_fires_when_it_must_and_not_otherwise(path: Path, tmp_path: Path) -> None:
    ensure_packages(["prometheus"])
    cases = yaml.safe_load((CASES / path.name).read_text())
    fired = [bool(one["exp_alerts"]) for case in cases["tests"] for one in case["alert_rule_test"]]
    assert set(fired) == {True, False}, "a rule needs a case in which it must not fire"
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases | {"rule_files": [str(path)]}))
    command = ["promtool", "test", "rules", str(tmp_path / "cases.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bundled_prometheus_loads_all_of_them() -> None:
    data = release().one("ConfigMap", "warren-prometheus")["data"]
    for path in RULES:
        assert data[f"alert-{path.name}"].strip() == path.read_text().strip()
