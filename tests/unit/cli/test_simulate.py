"""`warren simulate`: a trace and a pool in, a table, JSON or a drawing out; mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from warren.cli import app

POOL = """
apiVersion: warren.dev/v1alpha1
kind: ConsumerPool
metadata: {name: cpu}
spec: {queue: q, scaleTargetRef: {name: d}, maxReplicas: 20}
"""


def run(*arguments: str | float | Path) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


@pytest.fixture(name="pool")
def _pool(tmp_path: Path) -> Path:
    path = tmp_path / "pool.yaml"
    path.write_text(POOL)
    return path


def test_a_generated_trace_is_rehearsed(tmp_path: Path, pool: Path) -> None:
    trace = tmp_path / "steady.csv"
    assert run("generate", "steady", "--out", trace, "--rate", 2, "--seconds", 600).exit_code == 0
    result = run("--pool", pool, "--trace", trace, "--compare", "keda", "--output", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["scaler"] for row in rows] == ["warren", "keda", "clairvoyant"]
    assert rows[0]["late"] < rows[1]["late"]
    assert (rows[2]["late"], rows[2]["ratio"]) == (0, 1)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_it_is_drawn(tmp_path: Path, pool: Path, kind: str) -> None:
    trace, drawing = tmp_path / "t.csv", tmp_path / f"t.{kind}"
    trace.write_text("time\n2026-11-21T10:00:00Z\n2026-11-21T10:00:30+00:00\n2026-11-21T10:01:00\n")
    result = run("--pool", pool, "--trace", trace, "--service-time", 2, "--plot", drawing)
    assert result.exit_code == 0, result.output
    assert "3 tasks in 60 s" in result.stdout
    assert drawing.stat().st_size > 5000


@pytest.mark.parametrize(
    ("lines", "arguments", "said"),
    [
        ("1\n2\n", (), "there is no service time in the second column; give --service-time"),
        ("t,s\n1,2\nsoon,2\n", (), "line 3: 'soon' is neither seconds nor an ISO 8601 time"),
        ("1,0\n", (), "a service time of 0 s is not above 0"),
        ("t\n", (), "holds no arrivals"),
        ("1,1\n", ("--plot", "t.pdf"), "the drawing's name ends in one of .png, .svg"),
    ],
)
def test_a_mistake_is_told_in_words(
    tmp_path: Path, pool: Path, lines: str, arguments: tuple[str, ...], said: str
) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text(lines)
    result = run("--pool", pool, "--trace", trace, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


SPEC = "spec: {queue: q, scaleTargetRef: {name: d}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no ConsumerPool"),
        ("a: [", "is no ConsumerPool"),
        ("spec: {queue: q}", "spec.scaleTargetRef: Field required"),
        (f"{SPEC[:-1]}, scaleDown: {{seconds: 5}}}}", "spec.scaleDown.seconds: there is no such field (it is 5)"),
        (f"{SPEC[:-1]}, maxReplica: 5}}", "spec.maxReplica: there is no such field (it is 5)"),
        (f"{SPEC}\nmaxReplicas: 5", "maxReplicas: there is no such field beside spec"),
    ],
)
def test_a_file_that_is_no_pool(tmp_path: Path, text: str, said: str) -> None:
    path, trace = tmp_path / "pool.yaml", tmp_path / "t.csv"
    path.write_text(text)
    trace.write_text("1,1\n")
    result = run("--pool", path, "--trace", trace)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_what_is_missing_is_named(pool: Path) -> None:
    result = run("--pool", pool)
    assert (result.exit_code, "give --pool and --trace" in result.stderr) == (2, True)
    assert run("--pool", pool, "--trace", "nowhere.csv").exit_code == 2
