"""Dead letters over HTTP: listed, looked into, replayed once, discarded."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.unit.producer.conftest import House, answer
from warren import AsyncClient
from warren.client import dead_letters
from warren.client.dead_letters import LOOKS
from warren.client.web import WebGateway
from warren.errors import (
    DeadLetterNotFoundError,
    InvalidRequestError,
    ReplayLimitError,
    ReplayRefusedError,
    UnavailableError,
)
from warren.objects import ObjectUri
from warren.payloads import Payloads
from warren.record import Outcome, State, TaskError
from warren.tasks import JSON, Payload, Task, TaskOptions

URL = "/v1/dead-letters"
BOOM = TaskError(code="exception", message="ValueError: boom", traceback="Traceback ...\nValueError: boom")


async def fail(
    house: House, name: str = "echo", payload: Payload | None = None, error: TaskError = BOOM, **more: Any
) -> Task:
    """End a task as failed, as a consumer does; its message is gone by then."""
    task = Task(name, more.pop("pool", "cpu"), payload or Payload(b'{"text":"hello"}'), **more)
    await house.records.create(task)
    claim = await house.records.claim(task, "worker-1", alone=True)
    assert claim.lease is not None
    assert await house.records.finish(claim.lease, task, Outcome.failed(error, task.payload))
    await asyncio.sleep(0.002)  # ends in the same millisecond are in no order of time
    return task


def payloads(house: House) -> Payloads:
    return Payloads(house.objects, "warren")


async def again(house: House) -> Task:
    """Return the task that waits in the pool cpu, which has to be the only one, and fail it."""

    def fails(task: Task) -> Outcome:
        return Outcome.failed(BOOM, task.payload)

    assert house.waiting("cpu") == 1
    return await house.consume("cpu", fails)


@pytest.fixture
async def client(api: httpx2.AsyncClient) -> AsyncIterator[AsyncClient]:
    """A client of the producer."""
    async with AsyncClient.over(WebGateway("http://api", patience=0.0, transport=api._transport)) as connected:  # noqa: SLF001
        yield connected


async def test_the_list_is_a_summary_the_newest_end_first(api: httpx2.AsyncClient, house: House) -> None:
    first, second = await fail(house), await fail(house, payload=Payload(b"\xff" * 10, "image/jpeg"))
    body = (await api.get(URL)).json()
    assert [letter["id"] for letter in body["dead_letters"]] == [second.id, first.id]
    letter = body["dead_letters"][0]
    assert letter["error"] == {"code": "exception", "message": "ValueError: boom"}
    assert (letter["payload_size"], letter["payload_type"], letter["replays"]) == (10, "image/jpeg", 0)
    assert (letter["task"], letter["pool"], letter["status"], letter["attempt"]) == ("echo", "cpu", "failed", 1)
    assert not {"payload", "payload_base64", "next"} & (letter.keys() | body.keys())


async def test_a_time_past_all_years_that_the_store_holds_hides_no_dead_letter(
    api: httpx2.AsyncClient, house: House
) -> None:
    task = await fail(house, deadline=1_763_800_000_060.0)
    for url in (URL, f"{URL}/{task.id}", f"/v1/tasks/{task.id}"):
        answered = await api.get(url)
        assert answered.status_code == 200
        assert "9999-12-31T23:59:59Z" in answered.text


async def test_pages_meet_each_once_while_others_arrive_and_go(api: httpx2.AsyncClient, house: House) -> None:
    ids = [(await fail(house)).id for _ in range(7)]
    met, query = [], "limit=2"
    while True:
        body = (await api.get(f"{URL}?{query}")).json()
        met += [letter["id"] for letter in body["dead_letters"]]
        await fail(house)
        await api.delete(f"{URL}/{met[-1]}")
        if "next" not in body:
            break
        query = f"limit=2&after={body['next']}"
    assert met == ids[::-1]


async def test_the_list_is_narrowed_down(api: httpx2.AsyncClient, house: House) -> None:
    wanted = await fail(house, "train", pool="train-cpu", error=TaskError(code="poison", message="m"))
    for _ in range(3):
        await fail(house)
    for query in ("task=train", "pool=train-cpu", "code=poison", "task=train&code=poison"):
        body = (await api.get(f"{URL}?{query}&limit=1")).json()
        assert [letter["id"] for letter in body["dead_letters"]] == [wanted.id]
        assert "next" not in body
    assert (await api.get(URL, params={"task": "train", "code": "exception"})).json() == {"dead_letters": []}


@pytest.mark.parametrize(
    ("query", "said"),
    [("limit=0", "query.limit"), ("limit=501", "query.limit"), ("state=x", "query.state"), ("after=x", "after='x'")],
)
async def test_a_wrong_query_is_named(api: httpx2.AsyncClient, query: str, said: str) -> None:
    response = await api.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert said in response.json()["detail"]


async def test_one_is_shown_whole(api: httpx2.AsyncClient, house: House) -> None:
    task = await fail(house, options=TaskOptions(max_attempts=3, timeout_seconds=5))
    body = (await api.get(f"{URL}/{task.id}")).json()
    assert body["payload"] == {"text": "hello"}
    assert body["error"]["traceback"] == BOOM.traceback
    assert (body["attempt"], body["failures"], body["lapses"], body["consumer"]) == (1, 0, 0, "worker-1")
    assert (body["max_attempts"], body["timeout_seconds"]) == (3, 5)
    assert {"submitted_at", "started_at", "finished_at"} <= body.keys()


async def test_a_payloads_integers_are_whole(api: httpx2.AsyncClient, house: House) -> None:
    task = await fail(house, payload=Payload(b'{"n": %d}' % (2**100 + 1)))
    assert (await api.get(f"{URL}/{task.id}")).json()["payload"] == {"n": 2**100 + 1}


@pytest.mark.parametrize(
    "payload", [Payload(b"\xff\x00", "image/jpeg"), Payload(b"{nonsense", JSON), Payload(b'{"n": 1e999}', JSON)]
)
async def test_what_is_no_json_is_base64(api: httpx2.AsyncClient, house: House, payload: Payload) -> None:
    task = await fail(house, payload=payload)
    body = (await api.get(f"{URL}/{task.id}")).json()
    assert base64.b64decode(body["payload_base64"]) == payload.body
    assert "payload" not in body
    response = await api.get(f"{URL}/{task.id}/payload")
    assert (response.content, response.headers["Content-Type"]) == (payload.body, payload.content_type)
    assert response.headers["Content-Disposition"] == "attachment"


async def test_only_failed_tasks_are_dead_letters(api: httpx2.AsyncClient, house: House) -> None:
    queued = (await api.post("/v1/tasks", json={"task": "echo"})).json()["id"]
    for call in (api.get(f"{URL}/{queued}"), api.delete(f"{URL}/{queued}"), api.post(f"{URL}/{queued}/replay")):
        response = await call
        assert (response.status_code, response.json()["code"]) == (404, "dead-letter-not-found")
        assert "it is queued" in response.json()["detail"]
    response = await api.post(f"{URL}/nope/replay")
    assert (response.status_code, response.json()["code"]) == (404, "dead-letter-not-found")
    assert house.waiting("cpu") == 1


async def test_a_replay_is_a_new_task_with_the_same_options(api: httpx2.AsyncClient, house: House) -> None:
    options = TaskOptions.model_validate(
        {
            "priority": "high",
            "timeout_seconds": 5,
            "max_attempts": 3,
            "expires_seconds": 60,
            "callback_url": "http://example.com/done",
            "callback_events": ["failed"],
        }
    )
    old = await fail(house, "predict", payload=Payload(b"\xff", "image/png"), options=options, model="digits@1")
    response = await api.post(f"{URL}/{old.id}/replay")
    assert (response.status_code, response.headers["Location"]) == (202, f"/v1/tasks/{response.json()['id']}")
    assert response.json()["replay_of"] == old.id
    new = await again(house)
    assert (new.id, new.name, new.model, new.replay_of, new.replays) == (
        response.json()["id"],
        "predict",
        "digits@1",
        old.id,
        1,
    )
    assert (new.payload, new.deadline) == (old.payload, None)
    assert (new.options.priority, new.options.timeout_seconds, new.options.max_attempts) == ("high", 5, 3)
    [record] = await house.records.read([new.id])
    assert record is not None
    assert (record.callback_url, record.callback_events) == ("http://example.com/done", ("failed",))
    body = (await api.get(f"/v1/tasks/{old.id}")).json()
    assert (body["status"], body["replayed_as"]) == ("failed", new.id)
    listed = (await api.get(URL)).json()["dead_letters"]
    assert [(letter["id"], letter["replay_of"], letter["replays"]) for letter in listed] == [(new.id, old.id, 1)]


async def test_replayed_at_the_same_time_and_again_it_is_one_new_task(api: httpx2.AsyncClient, house: House) -> None:
    old = await fail(house)
    responses = await asyncio.gather(*(api.post(f"{URL}/{old.id}/replay") for _ in range(5)))
    responses.append(await api.post(f"{URL}/{old.id}/replay"))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    assert house.waiting("cpu") == 1


async def test_discarded_while_it_is_replayed_it_has_one_replay_all_the_same(
    api: httpx2.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, publish = await fail(house), house.broker.publish

    async def meanwhile(*arguments: Any, **more: Any) -> None:
        await api.delete(f"{URL}/{old.id}")
        await publish(*arguments, **more)

    with monkeypatch.context() as cut:
        cut.setattr(house.broker, "publish", meanwhile)
        first = await api.post(f"{URL}/{old.id}/replay")
    again = await api.post(f"{URL}/{old.id}/replay")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["id"] == first.json()["id"]
    assert (await api.get(f"{URL}/{old.id}")).json()["replayed_as"] == first.json()["id"]
    assert house.waiting("cpu") == 1


async def test_a_producer_that_died_between_the_two_steps_is_made_up_for(
    api: httpx2.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await fail(house)

    async def dies(task_id: str, *, replayed_as: str | None = None) -> None:
        raise UnavailableError("cut off")

    with monkeypatch.context() as cut:
        cut.setattr(house.records, "discard", dies)
        assert (await api.post(f"{URL}/{old.id}/replay")).status_code == 503
    listed = (await api.get(URL)).json()["dead_letters"]
    new = await house.consume("cpu", answer(b"1"))
    response = await api.post(f"{URL}/{old.id}/replay", json={"pool": "cpu"})
    assert [letter["id"] for letter in listed] == [old.id]
    assert (response.status_code, response.json()["id"], house.waiting("cpu")) == (202, new.id, 0)
    assert (await api.get(URL)).json() == {"dead_letters": []}


async def test_a_replay_into_another_pool(house: House, api: httpx2.AsyncClient) -> None:
    old = await fail(house, pool="gone")
    response = await api.post(f"{URL}/{old.id}/replay")
    assert (response.status_code, response.json()["code"]) == (422, "wrong-pool")
    assert (await api.post(f"{URL}/{old.id}/replay", json={"pool": "train-cpu"})).status_code == 422
    assert (await api.post(f"{URL}/{old.id}/replay", json={"pool": "cpu"})).json()["pool"] == "cpu"
    assert (await api.post(f"{URL}/{old.id}/replay", json={"options": {}})).status_code == 422


async def test_a_large_payload_is_given_to_the_new_task(api: httpx2.AsyncClient, house: House) -> None:
    body = b"x" * 3_000_000
    task = Task("echo", "cpu", Payload(body, "text/plain"))
    stored = await payloads(house).store(task.id, task.payload)
    old = await fail(house, payload=stored, id=task.id)
    shown = (await api.get(f"{URL}/{old.id}")).json()
    assert (shown["payload_ref"], shown["payload_url"]) == (stored.reference, f"{URL}/{old.id}/payload")
    assert not {"payload", "payload_base64"} & shown.keys()
    assert (await api.get(shown["payload_url"])).content == body
    await api.post(f"{URL}/{old.id}/replay")
    assert stored.reference is not None
    await house.objects.delete(ObjectUri.parse(stored.reference))  # it goes with the old record
    new = await again(house)
    assert (await payloads(house).fetch(new.payload)).body == body
    assert new.payload.reference != stored.reference


async def test_what_a_clients_own_reference_leads_to_is_shared(api: httpx2.AsyncClient, house: House) -> None:
    own = Payload(b"", reference="s3://warren/inputs/x", sha256="0" * 64)
    await house.objects.put(ObjectUri("warren", "inputs/x"), b"{}")
    old = await fail(house, payload=own)
    assert (await api.post(f"{URL}/{old.id}/replay")).status_code == 202
    assert (await again(house)).payload == own
    assert [str(uri) for uri in await house.objects.list(ObjectUri("warren", ""))] == ["s3://warren/inputs/x"]


async def test_a_payload_that_is_gone_is_told(api: httpx2.AsyncClient, house: House) -> None:
    stored = await payloads(house).store("t", Payload(b"x" * 3_000_000))
    old = await fail(house, payload=stored)
    assert stored.reference is not None
    await house.objects.delete(ObjectUri.parse(stored.reference))
    response = await api.post(f"{URL}/{old.id}/replay")
    assert (response.status_code, response.json()["code"]) == (409, "replay-refused")
    assert "payload" in response.json()["detail"]
    assert (await api.get(f"{URL}/{old.id}/payload")).status_code == 404
    assert [letter["id"] for letter in (await api.get(URL)).json()["dead_letters"]] == [old.id]


async def test_what_cannot_be_replayed_says_what_to_do(api: httpx2.AsyncClient, house: House) -> None:
    malformed = await fail(house, error=TaskError(code="invalid-message", message="no type"))
    owned = await fail(house, "train", pool="train-cpu", owner="mljob/ml/iris/uid")
    discarded = await fail(house)
    assert (await api.delete(f"{URL}/{discarded.id}")).status_code == 200
    for task, said in ((malformed, "no type"), (owned, "the MLJob ml/iris"), (discarded, "discarded")):
        response = await api.post(f"{URL}/{task.id}/replay", json={"force": True})
        assert (response.status_code, response.json()["code"]) == (409, "replay-refused")
        assert said in response.json()["detail"]
    assert (await api.delete(f"{URL}/{owned.id}")).status_code == 409
    assert [letter["id"] for letter in (await api.get(URL)).json()["dead_letters"]] == [malformed.id]


async def test_a_loop_of_replays_is_stopped(client: AsyncClient, house: House) -> None:
    task = await fail(house)
    for _ in range(5):
        await client.dead_letters().replay(task.id)
        task = await again(house)
    with pytest.raises(ReplayLimitError, match="correct the cause"):
        await client.dead_letters().replay(task.id)
    [refused] = await client.dead_letters(task="echo").replay_many()
    assert refused.problem is not None
    assert (refused.fate, refused.problem.code, house.waiting("cpu")) == ("refused", "replay-limit", 0)
    job = await client.dead_letters().replay(task.id, force=True)
    assert (await again(house)).id == job.id


async def test_many_are_replayed_by_filter_and_bounded(api: httpx2.AsyncClient, house: House) -> None:
    other = await fail(house, "other")
    ids = [(await fail(house)).id for _ in range(5)]
    body = (await api.post(f"{URL}/replay", json={"filter": {"task": "echo"}, "limit": 3})).json()
    assert [(result["id"], result["fate"]) for result in body["results"]] == [(i, "replayed") for i in ids[:1:-1]]
    assert (body["more"], house.waiting("cpu")) == (True, 3)
    body = (await api.post(f"{URL}/replay", json={"filter": {"task": "echo"}})).json()
    assert ([result["id"] for result in body["results"]], body["more"]) == (ids[1::-1], False)
    assert [letter["id"] for letter in (await api.get(URL)).json()["dead_letters"]] == [other.id]


async def test_what_fits_is_found_behind_any_number_that_do_not(
    api: httpx2.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_PAGE", 3)
    rare = [(await fail(house, "rare")).id for _ in range(3)]
    for _ in range(LOOKS * 3 + 1):
        await fail(house)
    replayed = (await api.post(f"{URL}/replay", json={"filter": {"task": "rare"}, "limit": 2})).json()
    assert ([result["id"] for result in replayed["results"]], replayed["more"]) == (rare[:0:-1], True)
    page = (await api.get(f"{URL}?task=rare&limit=2")).json()
    assert page["dead_letters"] == []
    page = (await api.get(f"{URL}?task=rare&limit=2&after={page['next']}")).json()
    assert [letter["id"] for letter in page["dead_letters"]] == rare[:1]


async def test_a_page_of_those_that_fit_ends_with_the_last_it_holds(api: httpx2.AsyncClient, house: House) -> None:
    ids = [(await fail(house, name)).id for name in ("rare", "echo", "rare", "rare", "echo", "rare")]
    first = (await api.get(f"{URL}?task=rare&limit=2")).json()
    second = (await api.get(f"{URL}?task=rare&limit=2&after={first['next']}")).json()
    met = [[letter["id"] for letter in page["dead_letters"]] for page in (first, second)]
    assert met == [[ids[5], ids[3]], [ids[2], ids[0]]]


@pytest.mark.parametrize("body", [{}, {"filter": {}}, {"ids": ["a"], "all": True}, {"all": True, "limit": 1001}])
async def test_many_have_to_be_named(api: httpx2.AsyncClient, house: House, body: dict[str, Any]) -> None:
    await fail(house)
    response = await api.post(f"{URL}/replay", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    query = {name: str(value) for name, value in body.items() if name != "filter"}
    assert (await api.delete(URL, params=query)).status_code == 422
    assert len((await api.get(URL)).json()["dead_letters"]) == 1


async def test_a_task_and_its_replay_are_not_both_replayed(api: httpx2.AsyncClient, house: House) -> None:
    old = await fail(house)
    new = await fail(house, replay_of=old.id, replays=1)  # as if its producer had died before it struck the old one off
    body = (await api.post(f"{URL}/replay", json={"all": True})).json()
    assert {result["id"]: result["fate"] for result in body["results"]} == {new.id: "replayed", old.id: "skipped"}
    assert house.waiting("cpu") == 1


async def test_of_ids_each_is_told(client: AsyncClient, house: House) -> None:
    known = await fail(house)
    results = await client.dead_letters().replay_many([known.id, "nope", known.id])
    fates = {result.id: (result.fate, result.problem.code if result.problem else None) for result in results}
    assert fates == {known.id: ("replayed", None), "nope": ("refused", "dead-letter-not-found")}


async def test_a_broker_that_is_away_leaves_all_of_them(client: AsyncClient, house: House) -> None:
    await fail(house)
    del house.broker.queues["warren.tasks.cpu"]
    with pytest.raises(UnavailableError):
        await client.dead_letters(task="echo").replay_many()
    assert len([letter async for letter in client.dead_letters()]) == 1


async def test_discarding(client: AsyncClient, house: House) -> None:
    one, two, three = [(await fail(house)).id for _ in range(3)]
    other = (await fail(house, "other")).id
    assert (await client.dead_letters().discard(one)).id == one
    assert (await client.dead_letters().discard(one)).id == one, "a repeat whose first answer was lost"
    results = await client.dead_letters(task="echo").discard_many()
    assert {result.id: result.fate.value for result in results} == {two: "discarded", three: "discarded"}
    assert [letter.id async for letter in client.dead_letters()] == [other]
    assert (await client.job(one).status()) is State.FAILED
    with pytest.raises(ReplayRefusedError, match="discarded"):
        await client.dead_letters().replay(two)


async def test_nobody_empties_the_dead_letters_by_accident(client: AsyncClient, house: House) -> None:
    await fail(house)
    for many in (client.dead_letters().discard_many(), client.dead_letters().replay_many()):
        with pytest.raises(InvalidRequestError, match="every=True"):
            await many
    assert len(await client.dead_letters().discard_many(every=True)) == 1


@pytest.mark.usefixtures("hurry")
async def test_the_client_goes_through_all_pages_and_batches(client: AsyncClient, house: House) -> None:
    ids = {(await fail(house)).id for _ in range(250)}
    assert {letter.id async for letter in client.dead_letters()} == ids
    assert len(await client.dead_letters(task="echo").replay_many(limit=130)) == 130
    assert len(await client.dead_letters(task="echo").discard_many()) == 120
    assert [letter async for letter in client.dead_letters()] == []
    assert house.waiting("cpu") == 130


async def test_wrong_filters_are_refused_before_they_are_sent(client: AsyncClient) -> None:
    with pytest.raises(InvalidRequestError, match="task"):
        client.dead_letters(task="no task's name")
    with pytest.raises(InvalidRequestError, match="pool"):
        await client.dead_letters().replay("x", pool="no pool's name")
    with pytest.raises(DeadLetterNotFoundError):
        await client.dead_letters().get("nope")


async def test_replays_are_counted(api: httpx2.AsyncClient, house: House) -> None:
    first, second = await fail(house), await fail(house)
    await api.post(f"{URL}/{first.id}/replay")
    await api.post(f"{URL}/replay", json={"ids": [second.id]})
    assert "warren_tasks_replayed_total 2.0" in (await api.get("/metrics")).text
