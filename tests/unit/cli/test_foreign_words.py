"""What others wrote, in a terminal: shown as it is, and never obeyed; numbers as they are."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from tests.unit.gateway import answered_by
from warren.cli import app
from warren.cli.connection import Output
from warren.cli.display import plain
from warren.cli.events import _line
from warren.client.listening import Event

Run = Callable[..., Result]

ORDERS = "\x1b]0;mine\x07\x1b[2J\r\x9b1m[/bold] [red]"
"""A new title, an empty screen, the line's beginning, bold letters; and markup that opens nothing."""
SHOWN = r"\u001b]0;mine\u0007\u001b[2J\u000d\u009b1m[/bold] [red]"

LARGE = 2**70


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `warren`, whose API answers with a document of a task."""

    def run(*args: str, terminal: bool = False, **document: object) -> Result:
        told = {"id": "0196", "task": "echo", "pool": "cpu", **document}
        answered_by(lambda _: httpx2.Response(200, json=told), monkeypatch, haste=50)
        wide = {"COLUMNS": "400", **({"FORCE_COLOR": "1", "TERM": "xterm"} if terminal else {})}
        return CliRunner().invoke(app, args, env=wide)

    return run


def test_only_lines_and_tabs_are_left_to_the_terminal() -> None:
    assert plain("a\tb\nc é €") == "a\tb\nc é €"
    assert plain(ORDERS) == SHOWN
    assert json.loads(plain(json.dumps(ORDERS, ensure_ascii=False))) == ORDERS


def test_progress_in_a_terminal_may_hold_markup_and_orders(run: Run) -> None:
    result = run("wait", "0196", "--timeout", "0.05", terminal=True, status="started", progress={"message": ORDERS})
    assert result.exit_code == 4
    assert SHOWN in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("status", "0196"),
        ("wait", "0196", "0197"),
        ("result", "0196"),
        ("dead-letters", "show", "0196"),
        ("status", "0196", "-o", "json"),
        ("webhooks", "list", "0196", "-o", "table"),
    ],
    ids=" ".join,
)
def test_a_fault_gives_the_terminal_no_orders(run: Run, args: tuple[str, ...]) -> None:
    error = {"code": "exception", "message": ORDERS, "traceback": ORDERS}
    attempts = [{"at": "2026-11-21T08:00:00Z", "milliseconds": 1, "error": ORDERS}]
    result = run(*args, status="failed", error=error, type="task.failed", webhook_id="1", attempts=attempts)
    told = result.stdout + result.stderr
    assert "u001b[2J" in told
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(told)


def test_a_prediction_gives_the_terminal_no_orders(run: Run) -> None:
    result = run("predict", "iris", "--rows", "[[1]]", model="iris", version="\x1bc", predictions=[{"label": ORDERS}])
    assert r"iris \u001bc" in result.stdout
    assert SHOWN in result.stdout


@pytest.mark.parametrize("args", [("result", "0196"), ("status", "0196"), ("wait", "1", "2"), ("submit", "echo", "-w")])
@pytest.mark.parametrize("form", ["table", "json"])
def test_a_whole_number_of_any_size_is_told_as_it_is(run: Run, args: tuple[str, ...], form: str) -> None:
    output = () if args[0] == "result" else ("-o", form)
    result = run(*args, *output, status="succeeded", result=[LARGE], result_type="application/json")
    assert result.exit_code == 0
    assert str(LARGE) in result.stdout


def test_an_argument_that_json_holds_and_warren_does_not_is_refused_instead_of_rounded(run: Run) -> None:
    result = run("submit", "echo", f"n={LARGE}", status="queued")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "64-bit" in result.stderr


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"error": {"code": "bad", "message": "no  good"}}, "bad: no good"),
        ({"error": None, "progress": {"fraction": 0.5, "message": "half"}, "attempt": 2}, "50% half"),
        ({"progress": {"fraction": 1}}, "100%"),
        ({"attempt": 2}, "attempt 2"),
        ({"attempt": 1}, ""),
        ({"error": "bad", "progress": 3, "attempt": "many", "name": ["echo"]}, ""),
        ({"error": {"code": 3}, "progress": {"fraction": "half"}}, ""),
    ],
)
def test_an_event_of_any_form_is_a_line(document: dict[str, Any], told: str) -> None:
    assert _line(Event("task.started.echo", {"id": "1", **document}), Output.TABLE).endswith(f" 1 {told}".rstrip())
