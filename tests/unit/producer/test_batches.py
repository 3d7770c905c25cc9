"""`/v1/tasks/batch`: each task accepted or refused for itself."""

import asyncio
import time
from typing import Any

import httpx2
import pytest

from tests.unit.producer.conftest import House, serving
from warren.client.batch import MOST_AT_ONCE, MOST_ITEMS
from warren.errors import BrokerUnavailableError
from warren.message import Message

ECHO: dict[str, Any] = {"task": "echo", "args": {"text": "hello"}}
TRAIN = {"trainer": "sklearn", "dataset": {"uri": "s3://b/x.csv", "target": "y"}, "model": {"name": "m"}}


async def batch(api: httpx2.AsyncClient, *tasks: object, **headers: str) -> httpx2.Response:
    return await api.post("/v1/tasks/batch", json={"tasks": tasks}, headers=headers)


async def test_every_task_is_accepted_in_order(api: httpx2.AsyncClient, house: House) -> None:
    response = await batch(api, *({"task": "echo", "args": {"n": n}} for n in range(5)))
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["refused"]) == (202, 5, 0)
    for number, item in enumerate(answer["tasks"]):
        assert (item["task"], item["pool"], item["status"]) == ("echo", "cpu", "queued")
        [record] = await house.records.read([item["id"]])
        assert record is not None
        assert record.accepted
        assert number >= 0
    sent = [(message.message_id, message.body) for message, _ in house.broker.queues["warren.tasks.cpu"].ready]
    assert sorted(sent) == sorted((item["id"], b'{"n":%d}' % n) for n, item in enumerate(answer["tasks"]))
    assert "warren_tasks_accepted_total" in (await api.get("/metrics")).text


async def test_an_item_that_is_wrong_leaves_the_others_be(api: httpx2.AsyncClient, house: House) -> None:
    wrong: list[object] = [
        ECHO | {"options": {"pool": "moon"}},
        ECHO | {"options": {"retries": 3}},
        {"task": "echo echo"},
        {"task": "train", "args": TRAIN | {"sped": 1}},
        {"task": "predict"},
        "echo",
        None,
    ]
    response = await batch(api, ECHO, *wrong, ECHO)
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["refused"]) == (202, 2, len(wrong))
    assert "id" in answer["tasks"][0]
    assert "id" in answer["tasks"][-1]
    refused = answer["tasks"][1:-1]
    assert [item["index"] for item in refused] == list(range(1, len(wrong) + 1))
    codes = [item["error"]["code"] for item in refused]
    assert codes == ["wrong-pool", *["invalid-request"] * 6]
    assert refused[0]["error"]["instance"] == "/v1/tasks/batch#/tasks/1"
    assert [field["field"] for field in refused[1]["error"]["errors"]] == ["options.retries"]
    assert [field["field"] for field in refused[3]["error"]["errors"]] == ["args.sped"]
    assert house.waiting("cpu") == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"tasks": {}}', "tasks"),
        (b'{"tasks": []}', "tasks"),
        (b'{"tasks": [{"task": "echo"}], "pool": "cpu"}', "pool"),
        (b'{"tasks": [' + b",".join([b"1"] * (MOST_ITEMS + 1)) + b"]}", "tasks"),
    ],
)
async def test_what_is_no_batch_is_refused_as_a_whole(spacious_house: House, body: bytes, field: str) -> None:
    async with serving(spacious_house) as api:
        response = await api.post("/v1/tasks/batch", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert [problem["field"] for problem in response.json()["errors"]] == [field]


async def test_the_same_batch_under_the_same_key_is_the_same_tasks(api: httpx2.AsyncClient, house: House) -> None:
    tasks = (ECHO, ECHO, ECHO | {"idempotency_key": "mine"})
    headers = {"Idempotency-Key": "k"}
    first, second = [(await batch(api, *tasks, **headers)).json() for _ in range(2)]
    assert first == second
    assert house.waiting("cpu") == 3
    alone = await api.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k/1"})
    assert alone.json()["id"] == first["tasks"][1]["id"]
    own = await api.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "mine"})
    assert own.json()["id"] == first["tasks"][2]["id"]
    changed = (await batch(api, ECHO, ECHO | {"args": {}}, **headers)).json()
    assert changed["tasks"][1]["error"]["code"] == "idempotency-conflict"


async def test_a_key_that_is_too_long_to_be_continued_is_refused(api: httpx2.AsyncClient) -> None:
    assert (await batch(api, ECHO, **{"Idempotency-Key": "k" * 249})).status_code == 202
    response = await batch(api, ECHO, **{"Idempotency-Key": "k" * 250})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "header.idempotency-key")


@pytest.mark.parametrize(("port", "code"), [("broker", "broker-unavailable"), ("records", "records-unavailable")])
async def test_while_something_is_away_a_batch_is_503_as_a_whole(
    api: httpx2.AsyncClient, house: House, port: str, code: str
) -> None:
    getattr(house, port).available = False
    response = await batch(api, ECHO, ECHO)
    assert (response.status_code, response.json()["code"]) == (503, code)
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.usefixtures("hurry")
async def test_what_goes_away_in_the_middle_refuses_the_rest_at_once(
    spacious_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each publish that hangs takes seconds: a batch must not take them one after the other."""
    publish, published, hung = spacious_house.broker.publish, 0, 0

    async def failing(message: Message, **where: Any) -> None:
        nonlocal published, hung
        if message.type != "echo" or published < 100:
            published += message.type == "echo"
            return await publish(message, **where)
        hung += 1
        await asyncio.sleep(0.3)
        raise BrokerUnavailableError("it hangs")

    monkeypatch.setattr(spacious_house.broker, "publish", failing)
    async with serving(spacious_house) as api:
        start = time.monotonic()
        tasks = [*[ECHO] * 3000, {"task": "train", "args": TRAIN}, *[ECHO] * 3000, {"task": "train", "args": TRAIN}]
        answer = (await batch(api, *tasks)).json()
    assert time.monotonic() - start < 5
    assert (answer["accepted"], answer["refused"]) == (102, 5900)
    assert {item["error"]["code"] for item in answer["tasks"] if "error" in item} == {"broker-unavailable"}
    assert {item["error"]["status"] for item in answer["tasks"] if "error" in item} == {503}
    assert hung <= MOST_AT_ONCE
    assert (answer["tasks"][3000]["task"], answer["tasks"][-1]["task"]) == ("train", "train"), "another pool goes on"


async def test_others_get_their_turn_during_a_batch(spacious_house: House) -> None:
    """Wrong items wait for nothing: a batch of nothing else is the one that could keep everybody waiting."""
    async with serving(spacious_house) as api:
        wrong = {"task": "echo", "options": {f"o{n}": 1 for n in range(20)}}
        under_way = asyncio.create_task(batch(api, *[wrong] * 3000))
        turns = 0
        while not under_way.done():
            await asyncio.sleep(0)
            turns += 1
        assert under_way.result().json()["refused"] == 3000
    assert turns > 50


async def test_the_description_names_the_items(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    [item, anything] = schemas["BatchRequest"]["properties"]["tasks"]["items"]["anyOf"]
    assert (item, anything) == ({"$ref": "#/components/schemas/BatchItem"}, {})  # anything else is refused by itself
    assert {"task", "args", "options", "idempotency_key"} == set(schemas["BatchItem"]["properties"])
    answers = document["paths"]["/v1/tasks/batch"]["post"]["responses"]
    assert answers["202"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/BatchAnswer"}
    assert {"413", "422", "503"} < set(answers)
