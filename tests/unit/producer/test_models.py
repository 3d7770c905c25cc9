"""`/v1/models`: predictions in time, late, wrong, and what there is."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import orjson
import pytest

from tests.unit.producer.conftest import House, answer, fault, serving
from warren.objects import ObjectUri
from warren.payloads import Payloads
from warren.record import Outcome, State

PREDICT = "/v1/models/iris/predict"
ROWS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
ANSWER = b'{"model":"iris","version":"1","predictions":[{"label":"setosa"}]}'


@pytest.fixture(autouse=True)
async def iris(house: House, tmp_path: Path) -> None:
    """A model with a production version."""
    await house.publish_model(tmp_path)


async def test_a_prediction_is_answered(api: httpx2.AsyncClient, house: House) -> None:
    response, task = await asyncio.gather(
        api.post("/v1/models/iris/predict", json=ROWS), house.consume("cpu", answer(ANSWER))
    )
    assert (response.status_code, response.content) == (200, ANSWER)
    assert response.headers["Warren-Task"] == task.id
    assert (task.name, task.model) == ("predict", "iris")
    [record] = await house.records.read([task.id])
    assert record is not None
    assert record.submitted_at is not None
    assert (task.options.timeout_seconds, task.deadline) == (10, record.submitted_at + 10)


async def test_an_image_travels_as_it_is(api: httpx2.AsyncClient, house: House) -> None:
    send = api.post("/v1/models/iris@1/predict", content=b"\xff\xd8\xff", headers={"Content-Type": "image/jpeg"})
    _, task = await asyncio.gather(send, house.consume("cpu", answer(ANSWER)))
    assert (task.payload.body, task.payload.content_type, task.model) == (b"\xff\xd8\xff", "image/jpeg", "iris@1")


async def test_an_unknown_model_is_404_and_queues_nothing(api: httpx2.AsyncClient, house: House) -> None:
    response = await api.post("/v1/models/rose/predict", json=ROWS)
    assert (response.status_code, response.json()["code"]) == (404, "model-not-found")
    assert house.waiting("cpu") == 0


async def test_an_unknown_version_is_404(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v1/models/iris@9/predict", json=ROWS)).status_code == 404


@pytest.mark.usefixtures("hurry")
async def test_a_prediction_that_nobody_answers_is_504_and_expires(api: httpx2.AsyncClient, house: House) -> None:
    response = await api.post("/v1/models/iris/predict", json=ROWS, headers={"Prefer": "wait=1"})
    assert (response.status_code, response.json()["code"]) == (504, "timeout")
    [(message, _)] = house.broker.queues["warren.tasks.cpu"].ready
    await asyncio.sleep(0.05)
    [record] = await house.records.read([str(message.message_id)])
    assert record is not None
    assert record.state is State.EXPIRED


async def test_a_store_that_is_flushed_meanwhile_is_no_missing_model(api: httpx2.AsyncClient, house: House) -> None:
    waiting = asyncio.create_task(api.post(PREDICT, json=ROWS, headers={"Prefer": "wait=5"}))
    await asyncio.sleep(0.1)
    house.records.flush()
    response = await waiting
    assert (response.status_code, response.json()["code"]) == (503, "records-unavailable")


async def test_a_prediction_can_be_asked_for_later(api: httpx2.AsyncClient, house: House) -> None:
    headers = {"Prefer": "respond-async, wait=1"}
    response = await api.post("/v1/models/iris/predict", json=ROWS, headers=headers)
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "respond-async", "it was not waited for"
    await house.consume("cpu", answer(ANSWER))
    assert (await api.get(response.headers["Location"])).json()["result"]["predictions"] == [{"label": "setosa"}]


async def test_a_prediction_that_nobody_waits_for_is_asked_for_later(api: httpx2.AsyncClient, house: House) -> None:
    headers = {"Prefer": "wait=0", "Idempotency-Key": "k"}
    async with asyncio.timeout(5):
        response = await api.post(PREDICT, json=ROWS, headers=headers)
    assert (response.status_code, response.headers["Preference-Applied"]) == (202, "wait=0")
    await house.consume("cpu", answer(ANSWER))
    again = await api.post(PREDICT, json=ROWS, headers=headers)
    assert (again.status_code, again.json()["predictions"]) == (200, [{"label": "setosa"}])


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalid-request", 422),
        ("timeout", 504),
        ("model-not-found", 404),
        ("storage-unavailable", 503),
        ("invalid-features", 422),
        ("exception", 500),
    ],
)
async def test_what_the_consumer_met_is_told(api: httpx2.AsyncClient, house: House, code: str, status: int) -> None:
    work = fault(code, "4 features are needed, not 3")
    response, _ = await asyncio.gather(api.post("/v1/models/iris/predict", json=ROWS), house.consume("cpu", work))
    assert response.status_code == status
    assert "4 features are needed, not 3" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"instances": []}, "instances"),
        ({"rows": [[1]]}, "rows"),
        ({"instances": [[True]]}, "instances.0"),
        ([], "body"),
    ],
)
async def test_wrong_inputs_are_named(api: httpx2.AsyncClient, house: House, body: object, field: str) -> None:
    response = await api.post("/v1/models/iris/predict", json=body)
    assert response.status_code == 422
    assert any(error["field"].startswith(field) for error in response.json()["errors"])
    assert house.waiting("cpu") == 0


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ([1, True], "instances.1.1", "a value is a finite number or a text, not a truth value"),
        ({"a": None}, "instances.1.a", "a value is a finite number or a text, not null"),
        ([[1]], "instances.1.0", "a value is a finite number or a text, not a list"),
        (5, "instances.1", "a row is a list of values, or an object by feature name, not a number"),
    ],
)
async def test_a_wrong_value_is_told_in_one_sentence(
    api: httpx2.AsyncClient, row: object, field: str, said: str
) -> None:
    response = await api.post("/v1/models/iris/predict", json={"instances": [[1], row, [None]]})
    assert response.json()["errors"] == [{"field": field, "message": said}]


@pytest.mark.parametrize(
    "instances",
    [
        lambda: [[None] * 40] * 10_000,
        lambda: [{f"feature{n}": None for n in range(300_000)}],
        lambda: [[1]] * 200_000,
    ],
    ids=["values", "features", "rows"],
)
async def test_a_mass_of_wrong_values_is_refused_in_no_time(
    spacious_house: House, instances: Callable[[], object]
) -> None:
    content = orjson.dumps({"instances": instances()})
    async with serving(spacious_house) as api:
        started = time.process_time()
        response = await api.post(PREDICT, content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, len(response.json()["errors"])) == (422, 1)
    assert time.process_time() - started < 2


async def test_another_kind_of_input_is_refused(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/models/iris/predict", content=b"a,b", headers={"Content-Type": "text/csv"})
    assert response.status_code == 422
    assert "'text/csv'" in response.json()["detail"]


@pytest.mark.parametrize("kind", [b"image/" + b"x" * 255, b"image/\xfc", b"image/"])
async def test_a_type_that_no_message_can_bear_is_refused(api: httpx2.AsyncClient, house: House, kind: bytes) -> None:
    headers = [(b"Content-Type", kind), (b"Prefer", b"respond-async")]
    response = await api.post(PREDICT, content=b"x", headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert "image/" in response.json()["detail"]
    assert house.waiting("cpu") == 0


async def test_a_models_name_is_checked(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v1/models/Iris!/predict", json=ROWS)).status_code == 422


async def test_the_alias_names_the_pool(api: httpx2.AsyncClient, house: House, tmp_path: Path) -> None:
    await house.publish_model(tmp_path, "vision", pool="gpu")
    response = await api.post("/v1/models/vision/predict", json=ROWS)
    assert (response.status_code, response.json()["code"]) == (422, "wrong-pool")
    assert "'gpu' does not exist" in response.json()["detail"]


async def test_a_known_model_is_served_while_storage_is_away(
    api: httpx2.AsyncClient,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await asyncio.gather(api.post("/v1/models/iris/predict", json=ROWS), house.consume("cpu", answer(ANSWER)))
    house.objects._buckets = frozenset({"gone"})  # noqa: SLF001 - the bucket goes away
    monkeypatch.setattr("warren.client.catalog.REMEMBER_SECONDS", 0)
    response, _ = await asyncio.gather(
        api.post("/v1/models/iris/predict", json=ROWS), house.consume("cpu", answer(ANSWER))
    )
    assert response.status_code == 200
    assert (await api.post("/v1/models/rose/predict", json=ROWS)).json()["code"] == "storage-unavailable"


async def test_models_are_listed_and_described(api: httpx2.AsyncClient) -> None:
    [summary] = (await api.get("/v1/models")).json()["models"]
    assert (summary["name"], summary["production"]["version"]) == ("iris", "1")
    document = (await api.get("/v1/models/iris")).json()
    assert [version["version"] for version in document["versions"]] == ["1"]
    assert (await api.get("/v1/models/rose")).json()["code"] == "model-not-found"


async def test_going_back_to_the_version_before_even_when_it_is_asked_for_twice(
    api: httpx2.AsyncClient, house: House
) -> None:
    first = await house.repository.manifest("iris", "1")
    uri = house.repository.uri("iris", "2", "model.json")
    await house.objects.put(uri, first.model_copy(update={"version": "2"}).model_dump_json().encode())
    await house.repository.promote("iris", "2", reason="test")
    for _ in range(2):
        response = await api.post("/v1/models/iris/rollback", json={"version": "2", "reason": "worse"})
        assert (response.status_code, response.json()["version"], response.json()["reason"]) == (200, "1", "worse")
    document = (await api.get("/v1/models/iris")).json()
    assert (document["production"]["version"], document["production"]["pool"]) == ("1", "cpu")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"version": "1"}, 404, "no earlier version to go back to"),
        ({"version": "9"}, 404, "never pointed at a version '9'"),
        ({"version": "1", "alias": "No/name"}, 422, "alias: String should match"),
        ({"version": "1", "to": "0"}, 422, "to"),
        ({}, 422, "version"),
    ],
)
async def test_what_cannot_be_rolled_back_is_said(
    api: httpx2.AsyncClient, body: dict[str, str], status: int, said: str
) -> None:
    response = await api.post("/v1/models/iris/rollback", json=body)
    assert (response.status_code, said in response.json()["detail"]) == (status, True)


async def test_a_large_image_goes_by_reference(spacious_house: House, tmp_path: Path) -> None:
    image = b"\xff\xd8" + b"x" * 3_000_000
    await spacious_house.publish_model(tmp_path)
    async with serving(spacious_house) as api:
        headers = {"Content-Type": "image/jpeg", "Prefer": "respond-async"}
        response = await api.post("/v1/models/iris/predict", content=image, headers=headers)
    assert response.status_code == 202
    task = await spacious_house.consume("cpu", answer(b"{}"))
    assert (task.payload.body, task.payload.content_type) == (b"", "image/jpeg")
    fetched = await Payloads(spacious_house.objects, "warren").fetch(task.payload)
    assert fetched.body == image


async def test_a_large_prediction_comes_whole(api: httpx2.AsyncClient, house: House, tmp_path: Path) -> None:
    await house.publish_model(tmp_path)
    uri = ObjectUri("warren", "results/x/1")
    await house.objects.put(uri, b'{"predictions":[]}' + b" " * 2_000_000)
    end = Outcome(State.SUCCEEDED, result_type="application/json", result_ref=str(uri))
    response, task = await asyncio.gather(
        api.post("/v1/models/iris/predict", json=ROWS), house.consume("cpu", lambda _: end)
    )
    assert (response.status_code, response.json()) == (200, {"predictions": []})
    assert response.headers["Warren-Task"] == task.id


@pytest.mark.usefixtures("hurry")
async def test_a_prediction_that_cannot_be_waited_for_is_said_to_be_refused(api: httpx2.AsyncClient) -> None:
    submits = [api.post("/v1/tasks", json={"task": "echo"}, headers={"Prefer": "wait=1"}) for _ in range(2)]
    waiting = [asyncio.create_task(submit) for submit in submits]
    await asyncio.sleep(0.05)
    refused = await api.post("/v1/models/iris/predict", json=ROWS)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    await asyncio.gather(*waiting)
