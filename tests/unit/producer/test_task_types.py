"""Functions that are installed beside the producer: told of, and their arguments checked when they are submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import httpx2
import jsonschema
import orjson
import pytest
from pydantic import BeforeValidator
from structlog.testing import capture_logs

from tests.unit.producer import conftest
from tests.unit.producer.conftest import House, answer, serving
from warren import task

GOOD: dict[str, object] = {"tone": {"hertz": 440}, "day": "2026-11-21"}


async def submitted(api: httpx2.AsyncClient, args: Mapping[str, object]) -> httpx2.Response:
    """Submit a call of `play`."""
    return await api.post("/v1/tasks", json={"task": "play", "args": args})


@pytest.mark.parametrize(
    ("args", "field", "said"),
    [
        ({"day": "2026-11-21"}, "args.tone", "Field required"),
        (GOOD | {"tone": {"hertz": 3}}, "args.tone.hertz", "greater than or equal to 20"),
        (GOOD | {"day": "soon"}, "args.day", "valid date"),
        (GOOD | {"volume": 11}, "args.volume", "there is no such field"),
        (GOOD | {"context": {"id": "1"}}, "args.context", "there is no such field"),
    ],
)
async def test_wrong_arguments_are_refused_by_the_name_of_the_field(
    api: httpx2.AsyncClient, house: House, args: dict[str, object], field: str, said: str
) -> None:
    response = await submitted(api, args)
    assert response.status_code == 422
    [problem] = response.json()["errors"]
    assert problem["field"] == field
    assert said in problem["message"]
    assert house.waiting("cpu") == 0


def stripped(value: Any) -> Any:
    """Return a text without spaces around it; whoever wrote this thought of nothing else than texts."""
    return value.strip()


@task
def sing(song: Annotated[str, BeforeValidator(stripped)]) -> str:
    return song


async def test_a_check_of_a_tasks_own_that_fails_is_no_fault_of_the_producers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "FUNCTIONS", [sing.type])
    wrong = {"task": "sing", "args": {"song": 3}}
    batch = [wrong, {"task": "sing", "args": {"song": " la "}}]
    with capture_logs() as logs:
        async with serving(house) as api:
            response = await api.post("/v1/tasks", json=wrong)
            told = (await api.post("/v1/tasks/batch", json={"tasks": batch})).json()
    assert response.status_code == 422
    [problem] = response.json()["errors"]
    assert problem["field"] == "args"
    assert "AttributeError" in problem["message"]
    assert (told["accepted"], told["refused"]) == (1, 1)
    warned = [line for line in logs if line["log_level"] == "warning"]
    assert [(line["task"], type(line["exc_info"])) for line in warned] == [("sing", AttributeError)] * 2


async def test_right_arguments_travel_as_they_were_sent(api: httpx2.AsyncClient, house: House) -> None:
    assert (await submitted(api, GOOD)).status_code == 202
    task = await house.consume("cpu", answer(b"null"))
    assert orjson.loads(task.payload.body) == GOOD


async def test_a_batch_tells_of_each_wrong_one_in_its_place(api: httpx2.AsyncClient) -> None:
    tasks = [{"task": "play", "args": GOOD}, {"task": "play", "args": {}}]
    told = (await api.post("/v1/tasks/batch", json={"tasks": tasks})).json()
    assert (told["accepted"], told["refused"]) == (1, 1)
    assert [error["field"] for error in told["tasks"][1]["error"]["errors"]] == ["args.tone", "args.day"]


async def test_a_task_that_is_not_installed_here_is_left_to_its_consumer(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json={"task": "somewhere_else", "args": {"anything": 1}})
    assert response.status_code == 202


async def test_what_a_task_takes_and_gives_is_told(api: httpx2.AsyncClient) -> None:
    types = {kind["name"]: kind for kind in (await api.get("/v1/task-types")).json()["task_types"]}
    assert list(types) == ["lottery", "play", "train"]
    play = types["play"]
    assert play | {"arguments": None} == {
        "name": "play",
        "pool": None,
        "description": "Play a tone.",
        "arguments": None,
        "result": {"additionalProperties": {"type": "integer"}, "type": "object"},
        "max_attempts": 3,
        "timeout_seconds": 30,
        "process": True,
    }
    assert play["arguments"]["properties"].keys() == {"tone", "day", "times"}, "the context is filled where it runs"
    assert play["arguments"]["properties"]["times"] == {"default": 1, "title": "Times", "type": "integer"}
    jsonschema.validate(GOOD, play["arguments"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(GOOD | {"tone": {"hertz": 3}}, play["arguments"])


async def test_the_docs_show_a_call_of_each_task(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    examples = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["play"]["value"] == {"task": "play", "args": {"tone": {"hertz": 20}, "day": "2026-01-31"}}
    assert examples["train"]["value"]["args"]["dataset"]
    assert examples["play"]["description"].startswith("Play a tone.")


async def test_the_docs_show_what_each_task_takes_and_gives(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    examples = document["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    types = {kind["name"]: kind for kind in (await api.get("/v1/task-types")).json()["task_types"]}
    shown = re.findall(r"```json\n(.*?)\n```", examples["play"]["description"], re.DOTALL)
    assert [orjson.loads(schema) for schema in shown] == [types["play"]["arguments"], types["play"]["result"]]
    shown = re.findall(r"```json\n(.*?)\n```", examples["train"]["description"], re.DOTALL)
    assert [orjson.loads(schema) for schema in shown] == [types["train"]["arguments"]]
