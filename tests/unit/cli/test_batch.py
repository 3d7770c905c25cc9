"""`warren batch`: many tasks from a file."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.unit.gateway import answered_by
from warren.cli import app
from warren.client.problem import Problem
from warren.errors import WrongPoolError

Run = Callable[..., Result]


class Api:
    """Accepts tasks, but for those of the pool `moon`, and remembers what it was sent."""

    def __init__(self) -> None:
        self.tasks: list[dict[str, object]] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.tasks += orjson.loads(request.content)["tasks"]
        told = [self._told(index, task) for index, task in enumerate(self.tasks)]
        return httpx2.Response(202, json={"tasks": told, "accepted": 0, "refused": 0})

    def _told(self, index: int, task: dict[str, object]) -> dict[str, object]:
        if task.get("options") == {"pool": "moon"}:
            return {"index": index, "error": Problem.of(WrongPoolError("no such\npool")).model_dump(mode="json")}
        return {"id": f"id-{index}", "task": "echo", "pool": "cpu", "status": "queued"}


@pytest.fixture(name="api")
def _api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    answered_by(api, monkeypatch, haste=50)
    return api


@pytest.fixture(name="run")
def _run() -> Run:
    return lambda *args, **more: CliRunner().invoke(app, ["batch", *map(str, args)], **more)


LINES = '{"task": "echo", "args": {"n": 1}}\n\n{"task": "echo", "idempotency_key": "mine"}\n'


def test_the_ids_are_printed_in_order(api: Api, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(LINES)
    result = run(file, "--key", "k")
    assert (result.exit_code, result.stdout) == (0, "id-0\nid-1\n")
    assert [task["idempotency_key"] for task in api.tasks] == ["k/0", "mine"]


def test_tasks_are_read_from_standard_input(api: Api, run: Run) -> None:
    assert run("-", input=LINES).stdout == "id-0\nid-1\n"
    assert len(api.tasks) == 2


def test_the_refused_are_named_by_line_and_the_others_go(api: Api, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(LINES + '{"task": "echo", "options": {"pool": "moon"}}\n{"task": "echo"}\n')
    result = run(file)
    assert (result.exit_code, result.stdout) == (2, "id-0\nid-1\nid-3\n")
    assert result.stderr == f"warren: {file}, line 4: no such pool\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINES + "{", "line 4: not JSON"),
        (LINES + "[1]", "line 4: a JSON object is needed"),
        ('{"task": "echo", "sped": 1}', "0.sped: there is no such field"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(api: Api, run: Run, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(text)
    result = run(file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert not api.tasks


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path / "nope")
    assert result.exit_code == 2
    assert "No such file" in result.stderr
