"""Who may call: keys, their scopes and limits, and whose the tasks are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from structlog.testing import capture_logs

from tests.unit.producer.conftest import House, answer, serving
from tests.unit.producer.test_dead_letters import BOOM
from warren import AsyncClient
from warren.client.dead_letter import MAX_PAGE, Fate
from warren.client.dead_letters import LOOKS
from warren.client.web import WebGateway
from warren.keyring import Keyring
from warren.keys import KeyEntry, Scope, new_key
from warren.record import Outcome, State
from warren.tasks import Task

OPEN = {"/healthz", "/readyz", "/metrics"}
"""Of what the API describes."""

BOTH = (Scope.SUBMIT, Scope.READ)
ADMIN = (Scope.ADMIN,)


@dataclass
class Gate:
    """A producer that asks for keys."""

    folder: Path
    keyring: Keyring
    http: httpx2.AsyncClient
    entries: dict[str, KeyEntry]

    async def admit(self, name: str, *scopes: Scope, **limits: float) -> dict[str, str]:
        """Make a key valid; return the headers that carry it."""
        key, entry = new_key(name, scopes or BOTH, **limits)
        self.entries[key] = entry
        (self.folder / entry.file).write_text(entry.text())
        await self.keyring.read()
        return {"Authorization": f"Bearer {key}"}

    async def refuse(self, headers: dict[str, str]) -> None:
        """Take a key away."""
        (self.folder / self.entries[headers["Authorization"].split()[1]].file).unlink()
        await self.keyring.read()


@asynccontextmanager
async def guarded(house: House, folder: Path) -> AsyncIterator[Gate]:
    """Run a producer that asks for keys."""
    keyring = Keyring(folder)
    async with serving(house, keyring) as http:
        yield Gate(folder, keyring, http, {})


@pytest.fixture
async def gate(house: House, tmp_path: Path) -> AsyncIterator[Gate]:
    """A producer that asks for keys."""
    async with guarded(house, tmp_path) as gate:
        yield gate


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every operation that the API describes: its method, its path, and what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


async def submit(gate: Gate, by: dict[str, str], key: str | None = None) -> str:
    """Submit a task; return its id."""
    headers = by if key is None else by | {"Idempotency-Key": key}
    body = {"task": "echo", "options": {"callback_url": "https://example.com/"}}
    response = await gate.http.post("/v1/tasks", json=body, headers=headers)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def fails(task: Task) -> Outcome:
    return Outcome.failed(BOOM, task.payload)


async def test_without_a_key_nothing_but_probes_and_the_description_is_answered(gate: Gate) -> None:
    document = (await gate.http.get("/openapi.json")).json()
    for method, path, _ in operations(document):
        response = await gate.http.request(method, path)
        assert (response.status_code == 401) is (path not in OPEN), (method, path)
    for path in ("/docs", "/static-offline-docs/swagger-ui.css"):
        assert (await gate.http.get(path)).status_code == 200
    for path in ("/", "/nothing", "/v1", "/healthz/", "/static-offline-docs/../v1/pools"):
        problem(await gate.http.get(path), 401, "unauthorized")


async def test_each_operation_says_which_scope_it_needs_and_needs_it(gate: Gate) -> None:
    document = (await gate.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    keys = {"read": await gate.admit("reader", Scope.READ), "submit": await gate.admit("submitter", Scope.SUBMIT)}
    for method, path, operation in operations(document):
        if path in OPEN:
            assert "security" not in operation
            continue
        [[scope]] = [words for one in operation["security"] for words in one.values()]
        assert (scope == "admin") is (path == "/v1/models/{model}/rollback"), "it changes everybody's predictions"
        assert {"401", "403", "429"} <= operation["responses"].keys()
        for good_for, headers in keys.items():
            response = await gate.http.request(method, path, headers=headers)
            assert (response.status_code == 403) is (good_for != scope), (method, path, good_for)


async def test_an_administrators_key_rolls_a_model_back(gate: Gate) -> None:
    admin, both = await gate.admit("boss", Scope.ADMIN), await gate.admit("ci")
    leaving = {"version": "2"}
    response = await gate.http.post("/v1/models/iris/rollback", json=leaving, headers=both)
    assert 'scope="admin"' in response.headers["WWW-Authenticate"]
    problem(response, 403, "forbidden")
    problem(await gate.http.post("/v1/models/iris/rollback", json=leaving, headers=admin), 404, "model-not-found")


@pytest.mark.parametrize("path", ["/v1/models/iris/rollback%0A", "/v1/models/iris%0A/rollback"])
async def test_what_leads_to_a_rollback_needs_an_administrators_key_however_it_is_written(
    gate: Gate, path: str
) -> None:
    response = await gate.http.post(path, json={"version": "2"}, headers=await gate.admit("ci"))
    problem(response, 403, "forbidden")


async def test_what_is_wrong_with_a_key_is_told(gate: Gate) -> None:
    response = await gate.http.get("/v1/pools")
    assert "Authorization: Bearer" in problem(response, 401, "unauthorized")["detail"]
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="warren"'
    key = (await gate.admit("ci", Scope.READ))["Authorization"]
    guessed = key[:-43] + "x" * 43
    wrong = [guessed, f"Basic {key[7:]}", key[7:], key[:-1], f"{key}x", "Bearer ", "Bearer \xff", key.upper()]
    for given in wrong:
        response = await gate.http.get("/v1/pools", headers=[(b"Authorization", given.encode("latin-1"))])
        assert "not valid" in problem(response, 401, "unauthorized")["detail"]
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    twice = [("Authorization", key), ("Authorization", key)]
    problem(await gate.http.get("/v1/pools", headers=twice), 401, "unauthorized")
    assert (await gate.http.get("/v1/pools", headers={"Authorization": key.replace("B", "b", 1)})).status_code == 200
    response = await gate.http.post("/v1/tasks", json={"task": "echo"}, headers={"Authorization": key})
    assert "its scopes are read" in problem(response, 403, "forbidden")["detail"]
    assert 'scope="submit"' in response.headers["WWW-Authenticate"]


async def test_a_task_is_there_for_its_own_key_and_for_admins_alone(gate: Gate, house: House) -> None:
    ann, bob, admin = await gate.admit("ann"), await gate.admit("bob"), await gate.admit("root", *ADMIN)
    theirs = await submit(gate, ann)
    await house.consume("cpu", fails)
    queued = await submit(gate, ann)
    document = (await gate.http.get("/openapi.json")).json()
    of_a_task = [(method, path) for method, path, _ in operations(document) if "{task_id}" in path]
    assert len(of_a_task) >= 8
    for task_id in (queued, theirs):
        for method, path in of_a_task:
            response = await gate.http.request(method, path.format(task_id=task_id), headers=bob | {"Prefer": "wait=5"})
            assert response.status_code == 404, (method, path, response.text)
            told = response.json()["detail"].replace(task_id, "")
            nowhere = await gate.http.request(method, path.format(task_id="no-such-task"), headers=bob)
            assert told == nowhere.json()["detail"].replace("no-such-task", "")
    for by in (ann, admin):
        assert (await gate.http.get(f"/v1/tasks/{queued}", headers=by)).json()["caller"] == "ann"
        assert (await gate.http.get(f"/v1/dead-letters/{theirs}", headers=by)).status_code == 200
    assert (await gate.http.delete(f"/v1/tasks/{queued}", headers=admin)).json()["status"] == "canceled"


async def test_another_key_of_the_same_name_has_the_same_tasks(gate: Gate) -> None:
    old = await gate.admit("ci")
    task_id = await submit(gate, old, "order-17")
    new = await gate.admit("ci")
    await gate.refuse(old)
    problem(await gate.http.get(f"/v1/tasks/{task_id}", headers=old), 401, "unauthorized")
    assert (await gate.http.get(f"/v1/tasks/{task_id}", headers=new)).status_code == 200
    assert await submit(gate, new, "order-17") == task_id


async def test_idempotency_keys_are_each_callers_own(gate: Gate) -> None:
    ann, bob = await gate.admit("ann"), await gate.admit("bob")
    assert await submit(gate, ann, "k") == await submit(gate, ann, "k") != await submit(gate, bob, "k")
    batch = {"tasks": [{"task": "echo"}, {"task": "echo"}]}
    answers = [
        await gate.http.post("/v1/tasks/batch", json=batch, headers=by | {"Idempotency-Key": "b"}) for by in (ann, bob)
    ]
    ids = [[task["id"] for task in answer.json()["tasks"]] for answer in answers]
    assert not set(ids[0]) & set(ids[1])
    assert (await gate.http.get(f"/v1/tasks/{ids[0][1]}", headers=bob)).status_code == 404
    assert (await gate.http.get(f"/v1/tasks/{ids[0][1]}", headers=ann)).status_code == 200


async def test_predictions_are_their_callers(gate: Gate, house: House, tmp_path: Path) -> None:
    ann, bob = await gate.admit("ann", Scope.SUBMIT, Scope.READ), await gate.admit("bob")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    await house.publish_model(scratch)
    body, headers = {"instances": [[1.0]]}, {"Prefer": "respond-async"}
    accepted = await gate.http.post("/v1/models/iris/predict", json=body, headers=ann | headers)
    assert accepted.status_code == 202
    assert (await gate.http.get(accepted.headers["Location"], headers=bob)).status_code == 404
    assert (await gate.http.get(accepted.headers["Location"], headers=ann)).status_code == 200
    waited = asyncio.create_task(gate.http.post("/v1/models/iris/predict", json=body, headers=bob))
    done = answer(b'{"model":"iris","version":"1","predictions":[{"value":1.0}]}')
    await house.consume("cpu", done)
    await house.consume("cpu", done)
    assert (await waited).status_code == 200


@pytest.mark.usefixtures("hurry")
async def test_waiting_for_a_task_and_following_it_with_a_key(house: House, tmp_path: Path) -> None:
    house.settings = house.settings.model_copy(update={"max_waiting": 4})
    async with guarded(house, tmp_path) as gate:
        ann = await gate.admit("ann")
        task_id = await submit(gate, ann)
        waiting = asyncio.create_task(gate.http.get(f"/v1/tasks/{task_id}", headers=ann | {"Prefer": "wait=10"}))
        following = asyncio.create_task(gate.http.get(f"/v1/tasks/{task_id}/events", headers=ann))
        await asyncio.sleep(0.05)
        over = await gate.http.get(f"/v1/tasks/{task_id}", headers=ann | {"Prefer": "wait=10"})
        assert "its share" in problem(over, 429, "rate-limited")["detail"]
        assert over.headers["Retry-After"] == "1"
        headers, body = ann | {"Prefer": "wait=10"}, {"task": "echo"}
        accepted = await gate.http.post("/v1/tasks", json=body, headers=headers)
        assert (accepted.status_code, accepted.json()["status"]) == (202, "queued"), "accepted is accepted"
        await house.consume("cpu", answer(b'"done"'))
        assert (await waiting).json()["result"] == "done"
        assert "event: succeeded" in (await following).text
        assert (await gate.http.get(f"/v1/tasks/{task_id}/result", headers=ann)).json() == "done"


async def test_a_key_that_sends_slowly_keeps_nobody_elses_body_out(house: House, tmp_path: Path) -> None:
    async with guarded(house, tmp_path) as gate:
        ann, bob = await gate.admit("ann"), await gate.admit("bob")
        json = {"Content-Type": "application/json", "Content-Length": "4500"}

        async def never() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        def sending(by: dict[str, str]) -> Coroutine[Any, Any, httpx2.Response]:
            return gate.http.post("/v1/tasks", content=never(), headers=by | json)

        held = asyncio.create_task(sending(ann))
        await asyncio.sleep(0.02)
        over = await gate.http.post("/v1/tasks", json={"task": "echo", "args": {"text": "x" * 4500}}, headers=ann)
        assert "share" in problem(over, 429, "rate-limited")["detail"]
        assert await submit(gate, bob)
        held.cancel()


@pytest.mark.usefixtures("hurry")
async def test_a_stream_ends_when_its_key_is_no_longer_valid(gate: Gate, house: House) -> None:
    ann = await gate.admit("ann")
    task_id = await submit(gate, ann)
    following = asyncio.create_task(gate.http.get(f"/v1/tasks/{task_id}/events", headers=ann))
    await asyncio.sleep(0.05)
    await gate.refuse(ann)
    await house.consume("cpu", answer(b'"secret"'))
    told = (await following).text
    assert "event: queued" in told
    assert "secret" not in told


async def test_dead_letters_are_each_callers_own(gate: Gate, house: House) -> None:
    ann, bob, admin = await gate.admit("ann"), await gate.admit("bob"), await gate.admit("root", *ADMIN)
    ids: dict[str, list[str]] = {"ann": [], "bob": []}
    for name, by in (("ann", ann), ("bob", bob)) * 3:
        ids[name].append(await submit(gate, by))
        await house.consume("cpu", fails)
        await asyncio.sleep(0.002)

    async def listed(by: dict[str, str], query: str = "") -> list[str]:
        page = (await gate.http.get(f"/v1/dead-letters{query}", headers=by)).json()
        return [letter["id"] for letter in page["dead_letters"]]

    assert await listed(ann) == ids["ann"][::-1]
    assert await listed(bob, "?limit=2&task=echo") == ids["bob"][:0:-1]
    assert len(await listed(admin)) == 6
    of_both = {"ids": [ids["ann"][0], ids["bob"][0]]}
    replayed = (await gate.http.post("/v1/dead-letters/replay", json=of_both, headers=bob)).json()["results"]
    assert [(one["id"] in ids["bob"], one["fate"]) for one in replayed] == [(False, "refused"), (True, "replayed")]
    assert replayed[0]["problem"]["code"] == "dead-letter-not-found"
    discarded = (await gate.http.delete("/v1/dead-letters?all=true", headers=bob)).json()["results"]
    assert {one["id"] for one in discarded} == set(ids["bob"][1:])
    assert await listed(admin) == ids["ann"][::-1]


async def test_ones_own_dead_letter_is_found_behind_many_of_others(gate: Gate, house: House) -> None:
    bob, ann = await gate.admit("bob"), await gate.admit("ann")
    oldest = await submit(gate, bob)
    await house.consume("cpu", fails)
    for _ in range(10):
        await asyncio.sleep(0.002)
        await submit(gate, ann)
        await house.consume("cpu", fails)
    page = (await gate.http.get("/v1/dead-letters?limit=1", headers=bob)).json()
    assert [letter["id"] for letter in page["dead_letters"]] == [oldest]


async def test_the_next_page_is_found_by_no_strangers_id(gate: Gate, house: House) -> None:
    bob, ann = await gate.admit("bob"), await gate.admit("ann")
    mine, strangers = [], []
    for _ in range(LOOKS * MAX_PAGE // 100 + 2):
        mine.append(await submit(gate, bob))
        await house.consume("cpu", fails)
        for _ in range(100):
            task = Task("echo", "cpu", caller="ann")
            await house.records.end(task, fails(task))
            strangers.append(task.id)
        await asyncio.sleep(0.002)
    found, query = [], ""
    while True:
        page = (await gate.http.get(f"/v1/dead-letters?limit=50{query}", headers=bob)).json()
        found += [letter["id"] for letter in page["dead_letters"]]
        assert not [task_id for task_id in strangers if task_id in str(page)]
        if "next" not in page:
            break
        query = f"&after={quote(page['next'])}"
    assert found == mine[::-1]
    assert (await gate.http.get("/v1/dead-letters", headers=ann)).json()["dead_letters"]


async def test_a_replay_stays_with_whom_the_task_belonged_to(gate: Gate, house: House) -> None:
    ann, admin = await gate.admit("ann"), await gate.admit("root", *ADMIN)
    task_id = await submit(gate, ann)
    await house.consume("cpu", fails)
    replayed = await gate.http.post(f"/v1/dead-letters/{task_id}/replay", headers=admin)
    assert (await gate.http.get(replayed.headers["Location"], headers=ann)).json()["caller"] == "ann"


async def test_what_was_submitted_without_a_key_is_there_for_admins_alone(gate: Gate, house: House) -> None:
    task = Task("echo", "cpu")
    await house.records.create(task)
    ann, admin = await gate.admit("ann"), await gate.admit("root", *ADMIN)
    assert (await gate.http.get(f"/v1/tasks/{task.id}", headers=ann)).status_code == 404
    assert "caller" not in (await gate.http.get(f"/v1/tasks/{task.id}", headers=admin)).json()


async def test_more_requests_than_a_name_may_make_are_told_to_wait(gate: Gate) -> None:
    first, second = [await gate.admit("ci", requests_per_second=0.3) for _ in range(2)]
    other = await gate.admit("other")
    answers = [await gate.http.get("/v1/pools", headers=headers) for headers in (first, second, first, second)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"key";q=3;w=10'
    assert [answer.headers["RateLimit"] for answer in answers[::3]] == ['"key";r=2;t=4', '"key";r=0;t=10']
    assert "0.3 requests a second" in problem(answers[3], 429, "rate-limited")["detail"]
    assert answers[3].headers["Retry-After"] == "4"
    assert (await gate.http.get("/v1/pools", headers=other)).headers["RateLimit-Policy"] == '"key";q=1000;w=10'
    assert "RateLimit" not in (await gate.http.get("/healthz", headers=first)).headers


async def test_each_task_of_a_batch_counts_as_a_request(gate: Gate, house: House) -> None:
    ci = await gate.admit("ci", requests_per_second=0.5)

    async def sent(count: int) -> httpx2.Response:
        return await gate.http.post("/v1/tasks/batch", json={"tasks": [{"task": "echo"}] * count}, headers=ci)

    large = await sent(6)
    detail = problem(large, 413, "batch-too-large")["detail"]
    assert "each of its 6 tasks counts as a request" in detail
    assert "5 at once: send smaller batches" in detail
    assert "Retry-After" not in large.headers
    first = await sent(3)
    assert (first.status_code, first.json()["accepted"]) == (202, 3)
    assert first.headers["RateLimit"] == '"key";r=1;t=8'
    too_soon = await sent(2)
    assert "0.5 a second: wait" in problem(too_soon, 429, "rate-limited")["detail"]
    assert too_soon.headers["Retry-After"] == "4"
    assert house.waiting("cpu") == 3
    assert "RateLimit" in (await sent(1)).headers


@pytest.mark.usefixtures("hurry")
async def test_a_client_splits_a_batch_by_what_its_key_may_send_at_once(spacious_house: House, tmp_path: Path) -> None:
    async with guarded(spacious_house, tmp_path) as gate:
        ci = await gate.admit("ci", requests_per_second=40)
        transport = gate.http._transport  # noqa: SLF001 - the producer under test
        gateway = WebGateway("http://api", patience=6, api_key=ci["Authorization"].split()[1], transport=transport)
        began = time.monotonic()
        async with AsyncClient.over(gateway) as client:
            jobs = await client.submit_many([{"task": "echo", "args": {"n": n}} for n in range(440)])
    assert len({job.id for job in jobs}) == spacious_house.waiting("cpu") == 440
    assert time.monotonic() - began > 0.9, "400 at once, and then 40 a second"


async def failed(gate: Gate, house: House, by: dict[str, str], count: int) -> list[str]:
    """Submit so many tasks as one caller and let them fail; return their ids."""
    ids = []
    for _ in range(count):
        ids.append(await submit(gate, by))
        await house.consume("cpu", fails)
    return ids


async def test_each_dead_letter_that_is_replayed_with_others_counts_as_a_request(gate: Gate, house: House) -> None:
    await failed(gate, house, await gate.admit("ci"), 6)
    admin = await gate.admit("root", *ADMIN, requests_per_second=0.5)

    async def replayed(**which: Any) -> httpx2.Response:
        return await gate.http.post("/v1/dead-letters/replay", json=which, headers=admin)

    detail = problem(await replayed(all=True), 413, "batch-too-large")["detail"]
    assert "each of its 6 tasks counts as a request" in detail
    assert "5 at once" in detail
    assert "a smaller limit" in detail
    first = await replayed(all=True, limit=3)
    assert (first.status_code, len(first.json()["results"])) == (200, 3)
    assert first.headers["RateLimit"] == '"key";r=1;t=8'
    too_soon = await replayed(all=True, limit=2)
    problem(too_soon, 429, "rate-limited")
    assert too_soon.headers["Retry-After"] == "4"
    assert house.waiting("cpu") == 3


async def test_a_replay_of_nothing_counts_as_one_request(gate: Gate) -> None:
    admin = await gate.admit("root", *ADMIN, requests_per_second=0.5)
    body = {"filter": {"task": "nothing"}, "limit": 1000}
    answers = [await gate.http.post("/v1/dead-letters/replay", json=body, headers=admin) for _ in range(2)]
    assert [(one.status_code, one.headers["RateLimit"]) for one in answers] == [
        (200, '"key";r=4;t=2'),
        (200, '"key";r=3;t=4'),
    ]


@pytest.mark.usefixtures("hurry")
async def test_a_client_splits_a_replay_by_what_its_key_may_send_at_once(gate: Gate, house: House) -> None:
    ids = await failed(gate, house, await gate.admit("ci"), 42)
    admin = await gate.admit("root", *ADMIN, requests_per_second=4)
    transport = gate.http._transport  # noqa: SLF001 - the producer under test
    gateway = WebGateway("http://api", patience=5, api_key=admin["Authorization"].split()[1], transport=transport)
    began = time.monotonic()
    async with AsyncClient.over(gateway) as client:
        treated = await client.dead_letters().replay_many(ids)
    assert [(one.id, one.fate) for one in treated] == [(task_id, Fate.REPLAYED) for task_id in ids]
    assert house.waiting("cpu") == 42
    assert time.monotonic() - began > 0.7, "forty at once less the one that was refused, and then four a second"


async def test_a_request_that_a_key_is_not_good_for_counts_too(gate: Gate) -> None:
    reader = await gate.admit("reader", Scope.READ, requests_per_second=0.1)
    problem(await gate.http.delete("/v1/tasks/x", headers=reader), 403, "forbidden")
    problem(await gate.http.delete("/v1/tasks/x", headers=reader), 429, "rate-limited")


async def test_a_key_may_have_a_smaller_limit_of_bodies_and_no_larger_one(gate: Gate, house: House) -> None:
    small, large = await gate.admit("small", max_body_bytes=2000), await gate.admit("large", max_body_bytes=10**9)
    body = {"task": "echo", "args": {"text": "x" * 3000}}
    detail = problem(await gate.http.post("/v1/tasks", json=body, headers=small), 413, "payload-too-large")["detail"]
    assert detail == "the request's body is larger than 2000 bytes (max_body_bytes of the API key)"
    assert (await gate.http.post("/v1/tasks", json=body, headers=large)).status_code == 202
    body["args"] = {"text": "x" * house.settings.max_body_bytes}
    refused = await gate.http.post("/v1/tasks", json=body, headers=large)
    assert "WARREN_MAX_BODY_BYTES" in problem(refused, 413, "payload-too-large")["detail"]


async def test_a_body_over_a_keys_limit_is_refused_while_it_comes(gate: Gate) -> None:
    small, come = await gate.admit("small", max_body_bytes=2000), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal come
        while True:
            come += 1_000_000
            yield b"x" * 1_000_000

    headers = small | {"Content-Type": "application/json"}
    problem(await gate.http.post("/v1/tasks", content=endless(), headers=headers), 413, "payload-too-large")
    assert come < 100_000_000


async def test_of_a_strangers_body_next_to_nothing_is_taken(gate: Gate) -> None:
    come = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal come
        while True:
            come += 100_000
            yield b"x" * 100_000

    chunked = {"Transfer-Encoding": "chunked"}
    response = await gate.http.post("/v1/tasks", content=endless(), headers=chunked)
    problem(response, 401, "unauthorized")
    assert response.headers["Connection"] == "close"
    assert come < 2_000_000
    response = await gate.http.post("/v1/tasks", json={"task": "echo"})
    problem(response, 401, "unauthorized")
    assert "Connection" not in response.headers


async def test_keys_are_in_no_log_no_metric_and_no_answer(gate: Gate, house: House) -> None:
    with capture_logs() as logs:
        ann = await gate.admit("ann")
        await gate.refuse(await gate.admit("ann"))
        task_id = await submit(gate, ann)
        answers = [await gate.http.get(f"/v1/tasks/{task_id}", headers=ann) for _ in range(2)]
        answers.append(await gate.http.get("/v1/pools", headers={"Authorization": ann["Authorization"] + "x"}))
        answers.append(await gate.http.get("/metrics"))
        await house.consume("cpu", answer(b"1"))
    secret = ann["Authorization"].split("_", 2)[2]
    assert [record["event"] for record in logs].count("API keys were read") == 3
    told = str(logs) + "".join(f"{answer.text}{answer.headers}" for answer in answers)
    assert secret not in told
    [record] = await house.records.read([task_id])
    assert record is not None
    assert (record.state, record.caller) == (State.SUCCEEDED, "ann")
    for line in ('key="ann",outcome="admitted"} 3.0', 'key="",outcome="unauthorized"} 1.0'):
        assert f"warren_key_requests_total{{{line}" in answers[-1].text


async def test_without_keys_nobody_is_asked_for_one(api: httpx2.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]
    assert not [path for _, path, operation in operations(document) if "security" in operation]
    response = await api.post("/v1/tasks", json={"task": "echo"})
    assert response.status_code == 202
    assert not {"caller"} & response.json().keys()
    assert "RateLimit" not in response.headers
