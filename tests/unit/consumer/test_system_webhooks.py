"""The courier, from an ended task to a real receiver on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Signature

from tests.receiver import Received, Receiver, response
from tests.unit.consumer.stage import until
from tests.unit.consumer.system_case import SECRET, SystemCase
from warren.outbound.addresses import Allowed
from warren.outbound.transport import Outbound
from warren.record import Outcome, State, TaskError
from warren.records.webhooks import CLAIM_SECONDS
from warren.tasks import Task
from warren.webhook import Webhook, WebhookState
from warren_consumer.system.webhooks import courier as courier_module
from warren_consumer.system.webhooks.courier import PUT_OFF_SECONDS, Courier
from warren_consumer.system.webhooks.post import LARGEST_RESULT, Post
from warren_consumer.system.webhooks.turns import AT_ONCE, TO_A_HOST, WAIT_FOR_A_HOST

DONE = Outcome(State.SUCCEEDED, result=b"[42]", result_type="application/json")


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "EVERY_SECONDS", 0.01)


@asynccontextmanager
async def sending(case: SystemCase, resolve: Any = None) -> AsyncIterator[None]:
    async with Outbound(Allowed.parse(["127.0.0.0/8"]), resolve=resolve) as outbound:
        post = Post(outbound, case.means.signer, case.clock)
        running = asyncio.create_task(Courier(case.records, post, case.means.metrics).run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})


async def ended(case: SystemCase, url: str, outcome: Outcome = DONE, **options: Any) -> Task:
    task = await case.accepted(callback_url=url, **options)
    await case.records.end(task, outcome)
    return task


async def the_webhook(case: SystemCase, task: Task) -> Webhook:
    webhook = await case.records.webhooks.read(task.id)
    assert webhook is not None
    return webhook


async def is_(case: SystemCase, task: Task, state: WebhookState, attempts: int = 1) -> Webhook:
    async with asyncio.timeout(10):
        while True:
            webhook = await the_webhook(case, task)
            if webhook.state is state and len(webhook.attempts) >= attempts:
                return webhook
            await asyncio.sleep(0.01)


async def test_a_receiver_is_told_how_a_task_ended(case: SystemCase) -> None:
    async with Receiver().listening() as receiver, sending(case):
        task = await ended(case, receiver.url)
        webhook = await is_(case, task, WebhookState.DELIVERED)
    [request] = receiver.received
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    told = json.loads(request.body)
    assert told["type"] == "task.succeeded"
    assert told["timestamp"].endswith("Z")
    assert {name: told["data"][name] for name in ("id", "status", "result")} == {
        "id": task.id,
        "status": "succeeded",
        "result": [42],
    }
    named, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert named == f"{task.id}_succeeded"
    assert int(at) == int(case.clock.now())
    expected = Signature(SECRET).sign(named, datetime.fromtimestamp(int(at), UTC), request.body.decode())
    assert request.headers["webhook-signature"] == expected
    [attempt] = webhook.attempts
    assert (attempt.status, attempt.error) == (204, None)
    assert case.counted("warren_system_webhooks_total", "delivered") == 1


async def test_a_large_result_is_told_by_where_it_is_read(case: SystemCase) -> None:
    large = json.dumps("x" * LARGEST_RESULT).encode()
    async with Receiver().listening() as receiver, sending(case):
        task = await ended(case, receiver.url, Outcome(State.SUCCEEDED, result=large, result_type="application/json"))
        await is_(case, task, WebhookState.DELIVERED)
    told = json.loads(receiver.received[0].body)["data"]
    assert told["result_url"] == f"/v1/tasks/{task.id}/result"
    assert "result" not in told


async def test_a_failure_is_told_with_its_error(case: SystemCase) -> None:
    failure = Outcome(State.FAILED, error=TaskError(code="exception", message="no luck"))
    async with Receiver().listening() as receiver, sending(case):
        silent = await ended(case, receiver.url, callback_events=["failed"])
        task = await ended(case, receiver.url, failure, callback_events=["failed"])
        await is_(case, task, WebhookState.DELIVERED)
        await is_(case, silent, WebhookState.SKIPPED, attempts=0)
    [request] = receiver.received
    told = json.loads(request.body)
    assert (told["type"], told["data"]["error"]["message"]) == ("task.failed", "no luck")


async def test_it_is_sent_again_under_the_same_id_until_it_is_taken(case: SystemCase) -> None:
    answers = [response(500), response(503, retry_after="600"), response(200)]
    async with Receiver(answers).listening() as receiver, sending(case):
        task = await ended(case, receiver.url)
        await is_(case, task, WebhookState.PENDING)
        case.advance(6)
        webhook = await is_(case, task, WebhookState.PENDING, attempts=2)
        case.advance(400)
        await asyncio.sleep(0.05)
        assert len(receiver.received) == 2, "it asked for ten minutes"
        assert webhook.next_at == pytest.approx(case.clock.now() - 400 + 600, abs=1)
        case.advance(250)
        webhook = await is_(case, task, WebhookState.DELIVERED, attempts=3)
    assert [attempt.status for attempt in webhook.attempts] == [500, 503, 200]
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len({request.headers["webhook-timestamp"] for request in receiver.received}) == 3


async def test_gone_stops_it(case: SystemCase) -> None:
    async with Receiver([response(410)]).listening() as receiver, sending(case):
        task = await ended(case, receiver.url)
        webhook = await is_(case, task, WebhookState.STOPPED)
        case.advance(100_000)
        await asyncio.sleep(0.05)
    assert len(receiver.received) == 1
    assert webhook.next_at is None


async def test_a_url_that_leads_inside_is_given_up_at_once(
    case: SystemCase, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = "http://10.9.8.7/hook?token=hush"
    async with Receiver([response(307, location=inside)]).listening() as receiver, sending(case):
        direct, redirected = await ended(case, inside), await ended(case, receiver.url)
        for task in (direct, redirected):
            webhook = await is_(case, task, WebhookState.FAILED)
            [attempt] = webhook.attempts
            assert "not at a public address" in (attempt.error or "")
            assert "hush" not in (attempt.error or "")
    assert case.counted("warren_system_webhooks_total", "refused") == 2
    said = capsys.readouterr()
    assert "a webhook was not taken" in said.out
    assert "hush" not in said.out + said.err


@pytest.mark.usefixtures("hurry")
async def test_an_answer_counts_by_its_head_however_slowly_its_body_drips(
    case: SystemCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    original = Outbound.send
    monkeypatch.setattr(Outbound, "send", lambda *args, **named: original(*args, **named, seconds=0.3))
    async with Receiver(speak=drip).listening() as receiver, sending(case):
        task = await ended(case, receiver.url)
        await is_(case, task, WebhookState.DELIVERED)


@pytest.mark.usefixtures("hurry")
async def test_a_receiver_that_stands_still_keeps_nobody_waiting(case: SystemCase) -> None:
    stuck, tasks = asyncio.Event(), []

    async def hang(_: Received, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()

    async with Receiver(speak=hang).listening() as slow, Receiver().listening() as quick:
        tasks += [await ended(case, slow.url) for _ in range(WAIT_FOR_A_HOST + 250)]
        task = await ended(case, quick.url.replace("127.0.0.1", "quick.example"))

        async def resolve(host: str, port: int, payer: str | None) -> Sequence[str]:
            return ["127.0.0.1"]

        async with sending(case, resolve):
            await is_(case, task, WebhookState.DELIVERED)
            await until(lambda: slow.most_at_once == TO_A_HOST)
        stuck.set()
    waits = [((await the_webhook(case, one)).next_at or 0) - case.clock.now() for one in tasks]
    assert sum(wait > PUT_OFF_SECONDS[1] for wait in waits) <= WAIT_FOR_A_HOST + TO_A_HOST, "the others are put off"
    assert slow.most_at_once == TO_A_HOST
    assert len(slow.received) == TO_A_HOST


async def test_many_slow_hosts_keep_no_other_waiting(case: SystemCase) -> None:
    """They fill every place there is, and have more waiting for each that one of them leaves."""
    hosts = AT_ONCE // TO_A_HOST

    async def dawdle(_: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(response(200))
        await writer.drain()

    async def resolve(host: str, port: int, payer: str | None) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Receiver(speak=dawdle).listening() as slow, Receiver().listening() as quick:
        for number in range(hosts):
            for _ in range(10 * TO_A_HOST):
                await ended(case, slow.url.replace("127.0.0.1", f"slow-{number}.example"))
        task = await ended(case, quick.url.replace("127.0.0.1", "quick.example"))
        async with sending(case, resolve):
            await until(lambda: bool(quick.received), seconds=20)
            assert len(slow.received) < 4 * AT_ONCE
            await is_(case, task, WebhookState.DELIVERED)


async def test_the_many_hosts_of_one_site_keep_no_other_waiting(case: SystemCase) -> None:
    stuck = asyncio.Event()

    async def hang(_: Received, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()

    async def resolve(host: str, port: int, payer: str | None) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Receiver(speak=hang).listening() as slow, Receiver().listening() as quick:
        for number in range(2 * AT_ONCE):
            await ended(case, slow.url.replace("127.0.0.1", f"{number}.slow.example"))
        async with sending(case, resolve):
            await until(lambda: slow.most_at_once == AT_ONCE // 2)
            task = await ended(case, quick.url.replace("127.0.0.1", "quick.example"))
            await is_(case, task, WebhookState.DELIVERED)
        stuck.set()
    assert slow.most_at_once == AT_ONCE // 2


@pytest.mark.parametrize(
    ("names", "patient", "share"),
    [("{0}.slow{0}.example{0}", "bob", AT_ONCE // 2), ("{0}.slow.example", "ann", AT_ONCE // 4)],
    ids=["the many sites of one key keep no other key", "one site of a key keeps none of its others"],
)
async def test_a_key_has_a_share_and_each_of_its_sites_one_of_it(
    case: SystemCase, names: str, patient: str, share: int
) -> None:
    stuck = asyncio.Event()

    async def hang(_: Received, writer: asyncio.StreamWriter) -> None:
        await stuck.wait()

    async def resolve(host: str, port: int, payer: str | None) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Receiver(speak=hang).listening() as slow, Receiver().listening() as quick:
        for number in range(2 * AT_ONCE):
            await ended(case, slow.url.replace("127.0.0.1", names.format(number)), caller="ann")
        async with sending(case, resolve):
            await until(lambda: slow.most_at_once >= share)
            task = await ended(case, quick.url.replace("127.0.0.1", "quick.example"), caller=patient)
            await is_(case, task, WebhookState.DELIVERED)
        stuck.set()
    assert slow.most_at_once == share


async def test_a_burst_to_one_quick_receiver_arrives_without_a_pause(case: SystemCase) -> None:
    async with Receiver().listening() as receiver:
        tasks = [await ended(case, receiver.url) for _ in range(200)]
        async with sending(case):
            await until(lambda: len(receiver.received) == len(tasks), seconds=20)
    assert receiver.most_at_once <= TO_A_HOST


async def test_many_to_one_receiver_all_arrive(case: SystemCase) -> None:
    async with Receiver().listening() as receiver:
        tasks = [await ended(case, receiver.url) for _ in range(WAIT_FOR_A_HOST + 120)]
        async with sending(case):
            await until(lambda: len(receiver.received) >= WAIT_FOR_A_HOST, seconds=20)
            for _ in range(600):
                case.advance(1)
                await asyncio.sleep(0.01)
                if len(receiver.received) == len(tasks):
                    break
        ids = {request.headers["webhook-id"] for request in receiver.received}
    assert ids == {f"{task.id}_succeeded" for task in tasks}
    assert receiver.most_at_once <= TO_A_HOST


async def test_killed_between_the_answer_and_its_note_it_is_sent_again_under_the_same_id(case: SystemCase) -> None:
    answered = asyncio.Event()

    async def answer_and_lose_the_store(_: Received, writer: asyncio.StreamWriter) -> None:
        case.records.available = False
        writer.write(response(200))
        await writer.drain()
        answered.set()

    async with Receiver(speak=answer_and_lose_the_store).listening() as receiver, sending(case):
        task = await ended(case, receiver.url)
        await answered.wait()
        await asyncio.sleep(0.05)
        receiver.speak = None
        case.records.available = True
        assert (await the_webhook(case, task)).attempts == ()
        case.advance(CLAIM_SECONDS + 1)
        await is_(case, task, WebhookState.DELIVERED)
    first, second = (request.headers["webhook-id"] for request in receiver.received)
    assert first == second


async def test_a_fault_of_its_own_ends_some_time(case: SystemCase) -> None:
    async with Receiver().listening() as receiver, sending(case):
        broken = Outcome(State.SUCCEEDED, result=b"not json", result_type="application/json")
        task = await ended(case, receiver.url, broken)
        webhook = await is_(case, task, WebhookState.PENDING)
        assert "fault of its own" in (webhook.attempts[0].error or "")
        other = await ended(case, receiver.url)
        await is_(case, other, WebhookState.DELIVERED)
