"""`/v1/tasks`: accepted, waited for, refused, canceled."""

import asyncio
import gzip
import re
import time
from pathlib import Path

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer, fault, serving
from tests.unit.producer.raw import asking
from warren.broker.memory import MemoryBroker
from warren.pool import Pool
from warren.tasks import JSON
from warren.topology import topology

ECHO = {"task": "echo", "args": {"text": "hello"}}


async def test_a_task_is_accepted_with_its_location(api: httpx2.AsyncClient, house: House) -> None:
    response = await api.post("/v1/tasks", json=ECHO)
    document = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/tasks/{document['id']}"
    assert (document["status"], document["pool"], document["attempt"]) == ("queued", "cpu", 0)
    task = await house.consume("cpu", answer(b"null"))
    assert (task.id, task.name, task.payload.body) == (document["id"], "echo", b'{"text":"hello"}')
    assert task.reply_to is None


async def test_waiting_answers_with_the_finished_record_by_the_reply(api: httpx2.AsyncClient, house: House) -> None:
    start = time.monotonic()
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}), house.consume("cpu", answer(b'"hello"'))
    )
    assert response.status_code == 200
    assert response.json()["result"] == "hello"
    assert response.headers["Preference-Applied"] == "wait=5"
    assert time.monotonic() - start < 0.4, "the sweep, not the reply, ended the wait"


@pytest.mark.usefixtures("hurry")
async def test_waiting_does_not_need_the_reply(api: httpx2.AsyncClient, house: House) -> None:
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}),
        house.consume("cpu", answer(b'"hello"'), reply=False),
    )
    assert response.json()["status"] == "succeeded"


@pytest.mark.usefixtures("hurry")
async def test_a_wait_that_passes_is_answered_202(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=1"})
    assert response.status_code == 202
    assert response.json()["status"] == "queued"


async def test_a_failed_task_is_told_with_its_error(api: httpx2.AsyncClient, house: House) -> None:
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}), house.consume("cpu", fault("exception", "boom"))
    )
    assert response.status_code == 200
    assert response.json()["error"] == {"code": "exception", "message": "boom"}


async def test_null_is_a_result(api: httpx2.AsyncClient, house: House) -> None:
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}), house.consume("cpu", answer(b"null"))
    )
    assert response.json()["result"] is None


async def test_bytes_come_as_base64(api: httpx2.AsyncClient, house: House) -> None:
    response, _ = await asyncio.gather(
        api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}),
        house.consume("cpu", answer(b"\x00\x01", "image/png")),
    )
    assert (response.json()["result"], response.json()["result_type"]) == ("AAE=", "image/png")


async def test_the_same_key_is_the_same_task(api: httpx2.AsyncClient, house: House) -> None:
    first, second = [await api.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert house.waiting("cpu") == 1


async def test_the_same_request_may_be_written_otherwise(api: httpx2.AsyncClient) -> None:
    options = ('"priority":"high","max_attempts":2', '"max_attempts" : 2, "priority":"\\u0068igh"')
    bodies = [
        f'{{"task":"echo","args":{{"text":"a","n":1}},"options":{{{options[0]}}}}}',
        f'{{"options": {{{options[1]}}},\n "args": {{"text": "\\u0061", "n": 1}}, "task": "echo"}}',
    ]
    headers = {"Idempotency-Key": "k", "Content-Type": JSON}
    first, second = [await api.post("/v1/tasks", content=body, headers=headers) for body in bodies]
    assert first.json()["id"] == second.json()["id"]


async def test_the_same_key_with_another_body_is_refused(api: httpx2.AsyncClient) -> None:
    await api.post("/v1/tasks", json=ECHO, headers={"Idempotency-Key": "k"})
    other = {"task": "echo", "args": {"text": "other"}}
    response = await api.post("/v1/tasks", json=other, headers={"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["code"]) == (422, "idempotency-conflict")


@pytest.mark.parametrize(("task", "pool"), [("train", "cpu"), ("echo", "train-cpu")])
async def test_the_wrong_kind_of_pool_is_refused(api: httpx2.AsyncClient, house: House, task: str, pool: str) -> None:
    args = {"trainer": "sklearn", "dataset": {"uri": "s3://b/x.csv", "target": "y"}, "model": {"name": "m"}}
    response = await api.post("/v1/tasks", json={"task": task, "args": args, "options": {"pool": pool}})
    assert (response.status_code, response.json()["code"]) == (422, "wrong-pool")
    assert house.waiting(pool) == 0


async def test_an_unknown_pool_is_refused_with_those_there_are(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json=ECHO | {"options": {"pool": "moon"}})
    assert response.status_code == 422
    assert "'moon'" in response.json()["detail"]
    assert "cpu (serve), train-cpu (train)" in response.json()["detail"]


async def test_a_function_goes_to_the_pool_that_its_package_names(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json={"task": "lottery"})
    assert "the pool 'lottery' does not exist" in response.json()["detail"]


async def test_training_goes_to_the_pool_for_training(api: httpx2.AsyncClient) -> None:
    args = {"trainer": "sklearn", "dataset": {"uri": "s3://b/x.csv", "target": "y"}, "model": {"name": "m"}}
    assert (await api.post("/v1/tasks", json={"task": "train", "args": args})).json()["pool"] == "train-cpu"


async def test_a_wrong_description_of_a_training_is_refused_field_by_field(api: httpx2.AsyncClient) -> None:
    args = {"trainer": "sklearn", "dataset": {"uri": "http://x", "target": "y"}, "model": {"name": "m"}, "sped": 1}
    response = await api.post("/v1/tasks", json={"task": "train", "args": args})
    assert {error["field"] for error in response.json()["errors"]} == {"args.dataset.uri", "args.sped"}


async def test_predictions_have_a_path_of_their_own(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json={"task": "predict", "args": {}})
    assert response.status_code == 422
    assert "/v1/models/<model>/predict" in response.json()["detail"]


async def test_no_queue_is_no_acceptance(api: httpx2.AsyncClient, house: House) -> None:
    del house.broker.queues["warren.tasks.cpu"]
    response = await api.post("/v1/tasks", json=ECHO)
    assert (response.status_code, response.json()["code"]) == (503, "unroutable")
    assert "warren topology apply" in response.json()["detail"]
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("port", "code"), [("broker", "broker-unavailable"), ("records", "records-unavailable")])
async def test_a_missing_dependency_is_503(api: httpx2.AsyncClient, house: House, port: str, code: str) -> None:
    getattr(house, port).available = False
    response = await api.post("/v1/tasks", json=ECHO)
    assert (response.status_code, response.json()["code"]) == (503, code)
    assert "Retry-After" in response.headers


async def test_reading_an_unknown_task(api: httpx2.AsyncClient) -> None:
    response = await api.get("/v1/tasks/nope")
    assert (response.status_code, response.json()["code"]) == (404, "task-not-found")
    assert response.json()["instance"] == "/v1/tasks/nope"


@pytest.mark.usefixtures("hurry")
async def test_a_long_poll_is_answered_when_the_task_ends(api: httpx2.AsyncClient, house: House) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    response, _ = await asyncio.gather(
        api.get(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=5"}), house.consume("cpu", answer(b"1"))
    )
    assert response.json()["result"] == 1


@pytest.mark.usefixtures("hurry")
async def test_a_long_poll_that_passes_tells_how_it_stands(api: httpx2.AsyncClient) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    response = await api.get(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=1"})
    assert (response.status_code, response.json()["status"]) == (200, "queued")


@pytest.mark.usefixtures("hurry")
async def test_too_many_waits_are_refused_at_once(api: httpx2.AsyncClient) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    waits = [api.get(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=1"}) for _ in range(3)]
    assert sorted(response.status_code for response in await asyncio.gather(*waits)) == [200, 200, 503]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/tasks", b'{"task":"echo"}'),
        ("GET", "/v1/tasks/{id}", b""),
        ("GET", "/v1/tasks/{id}/result", b""),
        ("POST", "/v1/models/iris/predict", b'{"instances":[[1.0]]}'),
    ],
)
async def test_who_leaves_while_it_waits_frees_its_place_at_once(
    api: httpx2.AsyncClient, house: House, tmp_path: Path, method: str, path: str, body: bytes
) -> None:
    await house.publish_model(tmp_path)
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    headers = {"Prefer": "wait=60", "Content-Type": JSON, "Content-Length": str(len(body))}
    async with asking(api, method, path.format(id=task_id), headers, body):
        async with asyncio.timeout(2):
            while await _waiting(api) != 1:  # noqa: ASYNC110 - the application tells nobody
                await asyncio.sleep(0.01)
    assert await _waiting(api) == 0
    assert house.waiting("cpu") == (2 if method == "POST" else 1), "what was accepted is done all the same"
    route = path.replace("{id}", "{task_id}").replace("iris", "{model}")
    counted = f'warren_http_request_seconds_count{{method="{method}",route="{route}",status="499"}} 1.0'
    assert counted in (await api.get("/metrics")).text


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/batch", "/v1/models/iris/predict"])
async def test_who_leaves_in_the_middle_of_a_body_is_no_error(api: httpx2.AsyncClient, path: str) -> None:
    async with asking(api, "POST", path, {"Content-Type": JSON, "Content-Length": "9"}, b"{", whole=False):
        pass
    counted = (
        f'warren_http_request_seconds_count{{method="POST",route="{path.replace("iris", "{model}")}",status="499"}} 1.0'
    )
    assert counted in (await api.get("/metrics")).text


async def _waiting(api: httpx2.AsyncClient) -> float:
    """Return how many requests wait for a task, by the producer's own figure."""
    [line] = re.findall(r"^warren_requests_waiting (.*)$", (await api.get("/metrics")).text, re.MULTILINE)
    return float(line)


@pytest.mark.usefixtures("hurry")
async def test_a_task_that_was_accepted_is_never_said_not_to_be(api: httpx2.AsyncClient, house: House) -> None:
    waits = [api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=1"}) for _ in range(3)]
    responses = await asyncio.gather(*waits)
    assert [response.status_code for response in responses] == [202, 202, 202], "one of them could not wait"
    assert len({response.headers["Location"] for response in responses}) == len(responses)


@pytest.mark.usefixtures("hurry")
async def test_a_store_that_goes_away_during_the_wait_costs_the_answer_only(
    api: httpx2.AsyncClient, house: House
) -> None:
    waiting = asyncio.create_task(api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=1"}))
    await asyncio.sleep(0.1)
    house.records.available = False
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (202, "queued")


@pytest.mark.usefixtures("hurry")
async def test_a_store_that_is_flushed_during_the_wait_costs_the_answer_only(
    api: httpx2.AsyncClient, house: House
) -> None:
    waiting = asyncio.create_task(api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=5"}))
    await asyncio.sleep(0.1)
    house.records.flush()
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    task = await house.consume("cpu", answer(b"1"))
    assert response.headers["Location"] == f"/v1/tasks/{task.id}"


async def test_canceling_ends_a_waiting_task(api: httpx2.AsyncClient) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    poll = asyncio.create_task(api.get(f"/v1/tasks/{task_id}", headers={"Prefer": "wait=5"}))
    await asyncio.sleep(0.05)
    assert (await api.delete(f"/v1/tasks/{task_id}")).json()["status"] == "canceled"
    assert (await poll).json()["status"] == "canceled"


async def test_canceling_is_told_to_whoever_listens(api: httpx2.AsyncClient, house: House) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    async with house.broker.listen(["task.canceled.*"]) as events:
        await api.delete(f"/v1/tasks/{task_id}")
        event = (await anext(aiter(events))).message
    assert (event.type, event.correlation_id) == ("task.canceled.echo", task_id)


async def test_canceling_leaves_an_ended_task_as_it_is(api: httpx2.AsyncClient, house: House) -> None:
    task_id = (await api.post("/v1/tasks", json=ECHO)).json()["id"]
    await house.consume("cpu", answer(b"1"))
    assert (await api.delete(f"/v1/tasks/{task_id}")).json()["status"] == "succeeded"
    await asyncio.sleep(0.01)
    assert not [key for key, _ in house.broker.events if key.startswith("task.")]


async def test_canceling_an_unknown_task(api: httpx2.AsyncClient) -> None:
    assert (await api.delete("/v1/tasks/nope")).status_code == 404


async def test_pools_of_ones_own_are_known(house: House) -> None:
    pools = (Pool(name="only"),)
    house.broker = MemoryBroker(topology(pools))
    house.settings = house.settings.model_copy(update={"pools": pools})
    async with serving(house) as api:
        async with asyncio.timeout(2):
            while (listed := (await api.get("/v1/pools")).json())["pools"][0]["ready"] is None:  # noqa: ASYNC110 - the first look is the load's own
                await asyncio.sleep(0)
        assert listed == {
            "pools": [
                {
                    "name": "only",
                    "kind": "serve",
                    "queue": "warren.tasks.only",
                    "ready": 0,
                    "consumers": 0,
                    "estimated_wait_seconds": None,
                }
            ]
        }
        assert (await api.post("/v1/tasks", json=ECHO)).json()["pool"] == "only"


async def test_of_a_preference_that_is_there_twice_the_first_counts(api: httpx2.AsyncClient) -> None:
    response = await api.post("/v1/tasks", json=ECHO, headers={"Prefer": "wait=0, wait=30"})
    assert (response.status_code, response.headers["Preference-Applied"]) == (202, "wait=0")


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/batch", "/v1/models/iris/predict"])
async def test_a_compressed_body_is_refused_in_a_sentence(api: httpx2.AsyncClient, house: House, path: str) -> None:
    body = gzip.compress(b'{"task": "echo"}')
    response = await api.post(
        path, content=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
    )
    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")
    assert "Content-Encoding is 'gzip'" in response.json()["detail"]
    assert house.waiting("cpu") == 0


async def test_a_body_as_it_is_may_be_said_to_be_that(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/v1/tasks", json=ECHO, headers={"Content-Encoding": "identity"})).status_code == 202
