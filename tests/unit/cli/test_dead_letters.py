"""`warren dead-letters`: what it asks for, prints and exits with."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.unit.gateway import answered_by
from warren.cli import app

Run = Callable[..., Result]


class Api:
    """Dead letters as the API tells of them, with those of another name among them."""

    def __init__(self, count: int) -> None:
        self.letters = [letter(number) for number in range(count)]
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path == "/v1/dead-letters" and request.method == "GET":
            wanted = request.url.params.get("task")
            return answer({"dead_letters": [one for one in self.letters if wanted in {None, one["task"]}]})
        if request.method == "GET":
            detail = {
                "payload": {"a": 1},
                "error": {"code": "exception", "message": "boom", "traceback": "Trace\n  it"},
            }
            return answer({**self.letters[0], **detail})
        ids = orjson.loads(request.content)["ids"] if request.content else request.url.params.get_list("id")
        return answer({"results": [treated(task_id, request.method) for task_id in ids]})

    @property
    def changes(self) -> list[httpx2.Request]:
        """Return the requests that were more than a look."""
        return [request for request in self.requests if request.method != "GET"]


def letter(number: int) -> dict[str, object]:
    ended = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    task = "resize" if number % 2 else "echo"
    error = {"code": "exception", "message": f"ValueError: {'very ' * 60}long"}
    plain = {"pool": "cpu", "status": "failed", "attempt": 3, "finished_at": ended}
    return {"id": f"id-{number}", "task": task, "error": error, **plain}


def treated(task_id: str, method: str) -> dict[str, object]:
    if task_id == "bad":
        return {"id": task_id, "fate": "refused", "problem": {"code": "replay-limit", "message": "too often"}}
    return (
        {"id": task_id, "fate": "discarded"}
        if method == "DELETE"
        else {"id": task_id, "fate": "replayed", "task_id": f"{task_id}-new"}
    )


def answer(body: object) -> httpx2.Response:
    return httpx2.Response(200, json=body)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API with three dead letters."""
    api = Api(3)
    answered_by(api, monkeypatch, haste=50)
    return api


@pytest.fixture
def run() -> Run:
    """Run `warren dead-letters` with these arguments."""
    return lambda *args, **more: CliRunner().invoke(app, ["dead-letters", *args], **more)


def test_the_list_is_a_table(api: Api, run: Run) -> None:
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "TASK", "POOL", "CODE", "ENDED", "ATTEMPTS", "MESSAGE"]
    assert lines[1].split()[:7] == ["id-0", "echo", "cpu", "exception", "5m", "ago", "3"]
    assert len(lines) == 4, "a long message is cut, not wrapped"


def test_the_list_is_narrowed_down_and_bounded(api: Api, run: Run) -> None:
    result = run("list", "--task", "echo", "--pool", "cpu", "--code", "exception", "--limit", "1", "-o", "json")
    assert [one["id"] for one in json.loads(result.stdout)] == ["id-0"]
    assert "there are more" in result.stderr
    asked = dict(api.requests[0].url.params)
    assert (asked["task"], asked["pool"], asked["code"]) == ("echo", "cpu", "exception")


def test_none_is_said(api: Api, run: Run) -> None:
    api.letters.clear()
    assert "no such dead letters" in run("list").stderr
    assert json.loads(run("list", "-o", "json").stdout) == []
    assert run("discard", "--all", "--yes").exit_code == 0


def test_one_is_shown_with_its_traceback_and_payload(api: Api, run: Run) -> None:
    shown = run("show", "id-0").stdout
    assert "exception: boom" in shown
    assert "Trace\n  it" in shown
    assert '{"a":1}' in shown
    assert json.loads(run("show", "id-0", "-o", "json").stdout)["payload"] == {"a": 1}


def test_replaying_ids_asks_nothing(api: Api, run: Run) -> None:
    result = run("replay", "a", "b", "--to-pool", "gpu", "--force")
    assert (result.exit_code, result.stdout) == (0, "a replayed as a-new\nb replayed as b-new\n")
    [request] = api.changes
    assert orjson.loads(request.content) == {"ids": ["a", "b"], "pool": "gpu", "force": True}


def test_what_is_refused_is_told_and_exits_1(api: Api, run: Run) -> None:
    result = run("replay", "bad", "a")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "a replayed as a-new\n", "warren: too often\n")
    result = run("replay", "bad", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)[0]["problem"]["code"]) == (1, "replay-limit")


def test_many_by_filter_are_those_that_fit(api: Api, run: Run) -> None:
    result = run("replay", "--all", "--task", "echo", "--yes")
    assert result.stdout == "id-0 replayed as id-0-new\nid-2 replayed as id-2-new\n"
    assert run("discard", "--all", "--limit", "2", "-y").stdout == "id-0 discarded\nid-1 discarded\n"


@pytest.mark.parametrize("command", ["replay", "discard"])
@pytest.mark.parametrize(
    ("args", "said"),
    [((), "give ids, or --all"), (("a", "--all"), "either ids"), (("--task", "echo"), "give ids, or --all")],
)
def test_nothing_is_guessed(api: Api, run: Run, command: str, args: tuple[str, ...], said: str) -> None:
    result = run(command, *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not api.changes


def test_many_are_asked_about(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("discard", "--all")
    assert (result.exit_code, api.changes) == (2, [])
    assert "give --yes" in result.stderr
    monkeypatch.setattr("warren.cli.dead_letters.asks", lambda: True)
    result = run("discard", "--all", input="n\n")
    assert (result.exit_code, api.changes) == (1, [])
    assert "Discard 3 dead letters?" in result.stderr
    assert run("discard", "--all", input="y\n").exit_code == 0
    assert len(api.changes) == 1


def test_every_command_explains_itself(run: Run) -> None:
    for command in ("list", "show", "replay", "discard"):
        assert command in run("--help").stdout
        assert "warren dead-letters" in run(command, "--help").stdout
