"""What the operator asks Prometheus for, as Prometheus evaluates it: a consumer is one, however often it is scraped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools.debian import ensure_packages
from warren_operator.figures.prometheus import query

POOL, ADDRESS = "cpu", "10.0.0.1:8001"
QUEUE = f"warren.tasks.{POOL}"
SERIES = {
    "warren_consumer_running_tasks{%s}": 3,
    "warren_consumer_slots{%s}": 4,
    "warren_consumer_busy_seconds_total{%s}": 70,
    'warren_consumer_finished_tasks_total{%s,task="a",outcome="succeeded"}': 20,
    'warren_consumer_finished_tasks_total{%s,task="b",outcome="failed"}': 5,
    'warren_consumer_finished_tasks_total{%s,task="b",outcome="shutdown"}': 1,
    'warren_consumer_claims_total{%s,verdict="expired"}': 2,
    'warren_consumer_claims_total{%s,verdict="ended"}': 1,
    'warren_consumer_claims_total{%s,verdict="granted"}': 26,
}
FIGURES = {"running": 3, "slots": 4, "busy_seconds": 70, "finished": 25, "dropped": 3}


@pytest.mark.parametrize(
    "scrapes",
    [
        ['job="pods"'],
        ['job="pods"', 'job="monitoring/consumers",container="consumer"'],
        ['job="pods",replica="a"', 'job="pods",replica="b"'],
    ],
)
def test_a_consumer_is_counted_once_whoever_scrapes_it_besides(scrapes: list[str], tmp_path: Path) -> None:
    ensure_packages(["prometheus"])
    (tmp_path / "cases.yaml").write_text(json.dumps({"evaluation_interval": "1m", "tests": [case(scrapes)]}))
    command = ["promtool", "test", "rules", str(tmp_path / "cases.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def case(scrapes: list[str]) -> dict[str, Any]:
    """Return promtool's test of the query on series that each of these scrapes has labelled."""
    own = [f'pool="{POOL}",instance="{ADDRESS}",namespace="team",{labels}' for labels in scrapes]
    asked = {"expr": query([QUEUE], "/", "team"), "eval_time": "0m", "exp_samples": [*map(sample, FIGURES)]}
    return {
        "interval": "1m",
        "input_series": [
            {"series": series % labels, "values": str(value)} for labels in own for series, value in SERIES.items()
        ],
        "promql_expr_test": [asked],
    }


def sample(figure: str) -> dict[str, Any]:
    """Return what is expected of a figure."""
    labels = f'{{figure="{figure}",instance="{ADDRESS}",pool="{POOL}",queue="{QUEUE}"}}'
    return {"labels": labels, "value": FIGURES[figure]}
