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
    assert all(row["of_least"] > 1 for row in rows)


def test_a_prometheus_that_scrapes_seldom_is_rehearsed(tmp_path: Path, pool: Path) -> None:
    trace = tmp_path / "step.csv"
    assert run("generate", "step", "--out", trace, "--rate", 5, "--seconds", 600).exit_code == 0
    results = [
        run("--pool", pool, "--trace", trace, "--output", "json", *more) for more in ((), ("--scrape-seconds", 15))
    ]
    usual, seldom = (json.loads(result.stdout) for result in results)
    assert (seldom[0]["wait_max"] > usual[0]["wait_max"] + 2, seldom[1]["wait_max"] == usual[1]["wait_max"]) == (
        True,
        True,
    )
    assert "--scrape-seconds" in run("--pool", pool, "--trace", trace, "--scrape-seconds", 0).stderr


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
        ("1,0\n", (), "a service time of 0 s is not between a millionth and 366 days"),
        ("1,1e-310\n", ("--start-time", "0"), "line 1: a service time of 1e-310 s is not between a millionth"),
        ("1,nan\n", (), "line 1: a service time of nan s is not between a millionth and 366 days"),
        ("1,1e300\n", (), "line 1: a service time of 1e+300 s is not between a millionth and 366 days"),
        ("1\n", ("--service-time", "inf"), "--service-time"),
        ("\n1,2\n \nsoon,2\n", (), "line 4: 'soon' is neither seconds nor an ISO 8601 time"),
        ("1,1\nnan,1\n", (), "line 2: 'nan' is no time in seconds"),
        ("1700000000000,1\n", (), "line 1: '1700000000000' is no time in seconds: it is beyond the year 9999"),
        ("5,1\n2026-11-21T10:00:00Z,1\n", (), "days, and 366 are the most: are all timestamps of one kind?"),
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


def test_whole_numbers_are_integers_however_they_are_written(tmp_path: Path, pool: Path) -> None:
    """The API server gets `20.0` as 20."""
    floats, trace = tmp_path / "floats.yaml", tmp_path / "t.csv"
    floats.write_text(f"{SPEC[:-1]}, maxReplicas: 20.0, scaleDown: {{stabilizationSeconds: 6.0e+1}}}}")
    trace.write_text("1,1\n")
    told = [run("--pool", path, "--trace", trace, "--output", "json") for path in (pool, floats)]
    assert told[1].exit_code == 0, told[1].output
    assert told[0].stdout == told[1].stdout


SPEC = "spec: {queue: q, scaleTargetRef: {name: d}}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is no ConsumerPool"),
        ("kind: Deployment\nspec: {replicas: 1}", "is no ConsumerPool: its kind is Deployment"),
        (f"apiVersion: apps/v1\n{SPEC}", "is no ConsumerPool: its apiVersion is apps/v1"),
        (f"metadata: cpu\n{SPEC}", "is no ConsumerPool: its metadata are 'cpu'"),
        (f"metadata: {{annotations: 3}}\n{SPEC}", "is no ConsumerPool: its annotations are 3"),
        ("kind: ConsumerPool", "is no ConsumerPool: it has no spec"),
        (f"{SPEC}\n---\n{SPEC}", "is no ConsumerPool: expected a single document"),
        ("a: [", "is no ConsumerPool"),
        ("spec: {queue: q}", "spec.scaleTargetRef: Field required"),
        (f"{SPEC[:-1]}, scaleDown: {{seconds: 5}}}}", "spec.scaleDown.seconds: there is no such field (it is 5)"),
        (f"{SPEC[:-1]}, maxReplica: 5}}", "spec.maxReplica: there is no such field (it is 5)"),
        (f"{SPEC[:-1]}, maxReplicas: 2.5}}", "spec.maxReplicas: Input should be a valid integer (it is 2.5)"),
        (f"{SPEC[:-1]}, minReplicas: '3'}}", "spec.minReplicas: Input should be a valid integer (it is '3')"),
        (f"{SPEC[:-1]}, concurrency: true}}", "spec.concurrency: Input should be a valid integer (it is True)"),
        (f"{SPEC[:-1]}, target: {{waitSeconds: .inf}}}}", "spec.target.waitSeconds: inf s are more than 366 days"),
        (f"{SPEC[:-1]}, target: {{waitSeconds: 1.0e+300}}}}", "spec.target.waitSeconds: 1e+300 s are more than"),
        (f"{SPEC}\nmaxReplicas: 5", "maxReplicas: there is no such field beside spec"),
    ],
)
def test_a_file_that_is_no_pool(tmp_path: Path, text: str, said: str) -> None:
    path, trace = tmp_path / "pool.yaml", tmp_path / "t.csv"
    path.write_text(text)
    trace.write_text("1,1\n")
    result = run("--pool", path, "--trace", trace)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_the_help_says_what_is_paid_for() -> None:
    said = " ".join(run("--help").stdout.split())
    assert "paid for until every task has ended and the last of them is back" in said


def test_what_is_missing_is_named(pool: Path) -> None:
    result = run("--pool", pool)
    assert (result.exit_code, "give --pool and --trace" in result.stderr) == (2, True)
    assert run("--pool", pool, "--trace", "nowhere.csv").exit_code == 2


def test_a_drawing_that_cannot_be_is_refused_before_the_rehearsal(tmp_path: Path, pool: Path) -> None:
    result = run("--pool", pool, "--trace", tmp_path / "nowhere.csv", "--plot", "t.pdf")
    assert (result.exit_code, "ends in one of .png, .svg" in result.stderr) == (2, True)


def test_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    result = run("generate", "step", "--out", tmp_path / "nowhere" / "t.csv")
    assert (result.exit_code, "cannot be written" in result.stderr) == (2, True)


def test_a_spreadsheets_mark_hides_no_line_and_order_does_not_matter(tmp_path: Path, pool: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("\ufeff2026-11-21T12:00:30+02:00,1\n2026-11-21T10:00:00,1\n2026-11-21T10:00:10Z,1\n")
    result = run("--pool", pool, "--trace", trace)
    assert (result.exit_code, "3 tasks in 30 s" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    "text", ["\n \nwhen,seconds\n1,1\n\n,\n 4 ,1\n", "1,1\r\n\r\n4,1\r\n,\r\n", "\ufeffwhen\r\n1,1\r\n4,1"]
)
def test_lines_without_a_word_are_left_out_before_the_heading_too(tmp_path: Path, pool: Path, text: str) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text(text, newline="")
    result = run("--pool", pool, "--trace", trace)
    assert (result.exit_code, "2 tasks in 3 s" in result.stdout) == (0, True)


@pytest.mark.parametrize("option", ["--seconds", "--rate", "--service-time"])
def test_a_trace_without_an_end_is_refused(tmp_path: Path, option: str) -> None:
    result = run("generate", "steady", "--out", tmp_path / "t.csv", option, "inf")
    assert (result.exit_code, option in result.stderr) == (2, True)


def test_no_figure_of_the_table_is_cut_off(tmp_path: Path, pool: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("1,1\n2,1\n")
    found = run("--pool", pool, "--trace", trace, "--compare", "keda")
    assert found.exit_code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in found.stdout
    assert "replica-s ratio of least scalings" in " ".join(found.stdout.split())


def test_what_of_a_pool_is_not_rehearsed_is_told(tmp_path: Path, pool: Path) -> None:
    trace, held = tmp_path / "t.csv", tmp_path / "held.yaml"
    trace.write_text("1,1\n2,1\n")
    held.write_text(
        "metadata: {annotations: {warren.dev/paused-replicas: '7'}}\n"
        "spec: {queue: q, scaleTargetRef: {name: d}, maxReplicas: 20, adviseOnly: true}\n"
    )
    plain, told = run("--pool", pool, "--trace", trace), run("--pool", held, "--trace", trace)
    assert "adviseOnly and warren.dev/paused-replicas left out" in told.stderr
    assert not plain.stderr
    assert plain.stdout == told.stdout


def test_tasks_per_replica_have_no_target_to_be_late_for(tmp_path: Path, pool: Path) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text("1,1\n2,1\n")
    pool.write_text("spec: {queue: q, scaleTargetRef: {name: d}, target: {tasksPerReplica: 2}}")
    rows = json.loads(run("--pool", pool, "--trace", trace, "--compare", "keda", "-o", "json").stdout)
    assert [(row["scaler"], row["late"], row["ratio"]) for row in rows] == [
        ("warren", None, None),
        ("keda", None, None),
    ]
