"""The commands: what they send, print and exit with."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import orjson
import pytest
from typer.testing import CliRunner, Result

from tests.unit.gateway import answered_by
from warren.cli import app
from warren.client.problem import PROBLEM_JSON, Problem

Run = Callable[..., Result]


class Api:
    """The API as one function from requests to answers, remembering what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.answer = task("queued")
        self.answers: Callable[[httpx2.Request], httpx2.Response] = lambda _: self.answer

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answers(request)


def task(status: str, **more: object) -> httpx2.Response:
    """Return a task's document."""
    return httpx2.Response(200, json={"id": "0196", "task": "echo", "pool": "cpu", "status": status, **more})


def problem(status: int, code: str, detail: str = "what is wrong") -> httpx2.Response:
    """Return a problem document."""
    body = Problem(type="t", title="t", status=status, code=code, detail=detail).json_bytes()
    return httpx2.Response(status, content=body, headers={"Content-Type": PROBLEM_JSON})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """The API that the commands talk to."""
    api = Api()
    answered_by(api, monkeypatch, haste=50)
    return api


@pytest.fixture
def run() -> Run:
    """Run `warren` with these arguments."""
    return lambda *args, **more: CliRunner().invoke(app, args, **more)


def test_submit_prints_the_id(api: Api, run: Run) -> None:
    options = ("--pool", "gpu", "--option", "timeout_seconds=5", "--key", "k")
    result = run("submit", "echo", "text=hello", "n=3", "flag=true", *options)
    assert (result.exit_code, result.stdout) == (0, "0196\n")
    [request] = api.requests
    assert str(request.url) == "http://127.0.0.1:17800/v1/tasks"
    assert request.headers["Idempotency-Key"] == "k"
    body = orjson.loads(request.content)
    assert body["args"] == {"text": "hello", "n": 3, "flag": True}
    assert body["options"] == {"pool": "gpu", "timeout_seconds": 5.0}


def test_the_address_comes_from_the_environment(api: Api, run: Run) -> None:
    run("status", "0196", env={"WARREN_URL": "http://elsewhere"})
    assert api.requests[0].url.host == "elsewhere"


def test_arguments_as_json_and_as_a_file(api: Api, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "args.json"
    file.write_text('{"a": 1, "b": 1, "c": 1}')
    run("submit", "echo", "--file", str(file), "--json", '{"b": 2, "c": 2}', "c=3")
    assert orjson.loads(api.requests[0].content)["args"] == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("submit", "echo", "hello"), "'hello' is not of the form key=value"),
        (("submit", "echo", "--json", "[1]"), "--json: a JSON object is needed"),
        (("submit", "echo", "--json", "{"), "--json: not JSON"),
        (("submit", "echo", "--file", "/nope"), "/nope: No such file"),
        (("submit", "echo", "--option", "retries=3"), "options.retries"),
        (("predict", "iris", "--rows", "["), "--rows: not JSON"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(api: Api, run: Run, args: tuple[str, ...], message: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("warren: ")
    assert result.stderr.count("\n") == 1
    assert not api.requests


def test_submit_and_wait_prints_the_result(api: Api, run: Run) -> None:
    api.answer = task("succeeded", result={"seconds": 3}, result_type="application/json")
    result = run("submit", "echo", "--wait")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"seconds": 3})


def test_a_failed_task_exits_1_with_its_error(api: Api, run: Run) -> None:
    api.answer = task("failed", error={"code": "exception", "message": "boom"})
    for command in (("submit", "echo", "-w"), ("wait", "0196"), ("result", "0196")):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "warren: the task echo (0196) failed: boom\n"


def test_waiting_too_long_exits_4(api: Api, run: Run) -> None:
    api.answer = task("started", progress={"fraction": 0.5, "message": "half"})
    result = run("wait", "0196", "--timeout", "0.05")
    assert result.exit_code == 4
    assert "goes on" in result.stderr


def test_status_as_a_table_and_as_json(api: Api, run: Run) -> None:
    api.answer = task("succeeded", result="x" * 5, attempt=2)
    assert "succeeded" in run("status", "0196").stdout
    assert json.loads(run("status", "0196", "-o", "json").stdout)["attempt"] == 2


def test_json_of_a_failed_wait_still_exits_1(api: Api, run: Run) -> None:
    api.answer = task("canceled")
    result = run("wait", "0196", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (1, "canceled")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("failed", "invalid-payload"),
        ("failed", "not-found"),
        ("failed", "timeout"),
        ("failed", "storage-unavailable"),
        ("expired", None),
    ],
)
def test_a_task_that_has_ended_without_success_exits_1_whatever_its_code(
    api: Api, run: Run, status: str, code: str | None
) -> None:
    api.answer = task(status, error=code and {"code": code, "message": "no"})
    assert run("result", "1").exit_code == 1
    assert run("wait", "1").exit_code == 1
    assert run("wait", "1", "--output", "json").exit_code == 1
    assert run("wait", "1", "2").exit_code == 1


def test_a_large_result_is_read_only_to_be_printed(api: Api, run: Run) -> None:
    document = task("succeeded", result_url="/v1/tasks/0196/result", result_type="application/json")
    large: list[httpx2.Response] = [problem(410, "result-gone"), httpx2.Response(200, json=7)]
    large.append(httpx2.Response(200, content=b"no JSON", headers={"Content-Type": "application/json"}))
    api.answers = lambda request: large.pop(0) if request.url.path.endswith("/result") else document
    for command in (("status", "0196"), ("wait", "0196", "-o", "json"), ("wait", "0196", "0197")):
        shown = run(*command)
        assert (shown.exit_code, "/v1/tasks/0196/result" in shown.stdout) == (0, True)
    gone, read, unreadable = run("result", "0196"), run("wait", "0196"), run("result", "0196")
    assert (gone.exit_code, gone.stderr) == (3, "warren: what is wrong\n")
    assert (read.exit_code, read.stdout) == (0, "7\n")
    assert (unreadable.exit_code, unreadable.stderr.count("\n")) == (1, 1)
    assert "not JSON that can be read" in unreadable.stderr


def test_a_table_cuts_nothing_off(api: Api, run: Run) -> None:
    uri = "s3://warren/models/" + "x" * 200
    api.answer = task("succeeded", result=uri, result_type="application/json")
    assert uri in "".join(run("status", "1").stdout.split())


def test_cancel(api: Api, run: Run) -> None:
    api.answer = task("canceled")
    assert "canceled" in run("cancel", "0196").stdout
    assert api.requests[0].method == "DELETE"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (422, "wrong-pool", 2),
        (404, "task-not-found", 3),
        (504, "timeout", 4),
        (503, "broker-unavailable", 5),
        (500, "internal", 1),
    ],
)
def test_exit_codes(api: Api, run: Run, status: int, code: str, exit_code: int) -> None:
    api.answer = problem(status, code)
    result = run("status", "0196")
    assert (result.exit_code, result.stderr) == (exit_code, "warren: what is wrong\n")


def test_predict_shows_a_table(api: Api, run: Run) -> None:
    api.answer = httpx2.Response(
        200,
        json={
            "model": "iris",
            "version": "7",
            "predictions": [{"label": "setosa", "probabilities": {"setosa": 0.98, "virginica": 0.02}}],
        },
    )
    result = run("predict", "iris", "--rows", "[[5.1, 3.5, 1.4, 0.2]]")
    assert result.exit_code == 0
    assert "setosa" in result.stdout
    assert "0.98" in result.stdout


def test_predict_sends_an_image(api: Api, run: Run, tmp_path: Path) -> None:
    api.answer = httpx2.Response(200, json={"model": "digits", "version": "7", "predictions": [{"label": "3"}]})
    image = tmp_path / "three.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert json.loads(run("predict", "digits", "--image", str(image), "-o", "json").stdout)["predictions"]
    assert api.requests[0].headers["Content-Type"] == "image/png"


def test_predict_takes_one_input(api: Api, run: Run) -> None:
    result = run("predict", "iris")
    assert result.exit_code == 2
    assert "exactly one of" in result.stderr


def test_version(run: Run) -> None:
    assert run("version").stdout.strip()


def test_every_command_explains_itself(run: Run) -> None:
    shown = run("--help").stdout
    assert "Exit codes" in shown
    for command in (
        "submit",
        "status",
        "result",
        "wait",
        "cancel",
        "predict",
        "definitions",
        "hash-password",
        "topology",
    ):
        assert command in shown
        assert run(command, "--help").exit_code == 0


def test_waiting_for_many_tells_how_each_ended(api: Api, run: Run) -> None:
    api.answer = task("succeeded", result=[1, 2])
    result = run("wait", "-", input="0196\n0197\n")
    assert (result.exit_code, result.stdout.count("[1,2]")) == (0, 2)
    assert "2/2" in result.stderr
    api.answer = task("failed", error={"code": "exception", "message": "boom"})
    result = run("wait", "0196", "0197", "-o", "json")
    assert result.exit_code == 1
    assert [json.loads(line)["status"] for line in result.stdout.splitlines()] == ["failed", "failed"]


def test_of_many_one_that_is_unknown_is_told_beside_how_the_others_ended(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        gone = request.url.path.endswith("/gone")
        return problem(404, "task-not-found", "there is no task gone") if gone else task("succeeded", result=1)

    answered_by(answer, monkeypatch, haste=50)
    result = run("wait", "0196", "gone", "0197", "-o", "json")
    assert result.exit_code == 3
    assert result.stdout.count('"succeeded"') == 2
    assert result.stderr.endswith("warren: there is no task gone\n")
