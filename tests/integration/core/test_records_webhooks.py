"""Webhooks in the records: listed with the end, taken by one at a time, never lost, and keeping their record alive."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.core.worlds import World
from warren.record import Lease, Outcome, State, Submission, TaskError
from warren.records import Records
from warren.records.webhooks import CLAIM_SECONDS
from warren.tasks import Payload, Task, TaskOptions
from warren.webhook import MOST_ATTEMPTS_KEPT, Delivery, DueWebhook, DueWebhooks, Webhook, WebhookState

URL = "https://receiver.example/hook"
DONE = Outcome(State.SUCCEEDED, result=b"1")
TAKEN = Delivery(at=1.5, milliseconds=20, status=200)
REFUSED = Delivery(at=2.5, milliseconds=30, status=500, error="it answered 500")


def a_task(**options: object) -> Task:
    return Task("echo", "cpu", Payload(b"[1]"), TaskOptions.model_validate({"callback_url": URL} | options))


def a_task_of(caller: str | None) -> Task:
    return replace(a_task(), caller=caller)


def an_awaited_task() -> Task:
    return replace(a_task(), reply_to="warren.reply.test")


async def ended(
    records: Records, task: Task | None = None, outcome: Outcome | None = None, *, ttl_seconds: float = 200_000
) -> Task:
    task, outcome = task or a_task(), outcome or DONE
    claim = await records.claim(task, "c1", alone=True)
    assert claim.lease is not None
    assert await records.finish(claim.lease, task, outcome, ttl_seconds=ttl_seconds) is not None
    return task


async def taken(records: Records, limit: int = 100) -> list[DueWebhook]:
    return (await records.webhooks.take(limit=limit)).taken


async def the_webhook(records: Records, task: Task) -> Webhook:
    webhook = await records.webhooks.read(task.id)
    assert webhook is not None
    return webhook


async def test_the_step_that_ends_a_task_lists_its_webhook_once(world: World) -> None:
    records = world.records
    assert await records.webhooks.read("nobody") is None
    task = a_task()
    await records.create(task)
    assert (await the_webhook(records, task)).state is WebhookState.WAITING
    assert await taken(records) == []
    await ended(records, task)
    waiting = await the_webhook(records, task)
    assert (waiting.state, waiting.ended, waiting.attempts) == (WebhookState.PENDING, State.SUCCEEDED, ())
    due = await records.webhooks.take(limit=5)
    assert [(webhook.task_id, webhook.url, webhook.tries) for webhook in due.taken] == [(task.id, URL, 0)]
    assert due.pending == 1
    assert await taken(records) == [], "whoever took it has it"


async def test_it_is_known_with_whose_key_the_task_was_submitted(world: World) -> None:
    records = world.records
    anns, nobodys = await ended(records, a_task_of("ann")), await ended(records, a_task_of(None))
    assert {webhook.task_id: webhook.caller for webhook in await taken(records)} == {anns.id: "ann", nobodys.id: None}


async def test_every_way_to_end_lists_the_webhook(world: World) -> None:
    records = world.records
    canceled, absent, reported, lost, late, unheard = (a_task() for _ in range(6))
    await records.create(canceled)
    await records.cancel(canceled.id)
    await records.cancel(absent.id, absent=absent)
    await records.end(reported, Outcome(State.SUCCEEDED, result=b"1"))
    await records.create(lost)
    [record] = await records.read([lost.id])
    assert record is not None
    assert await records.abandon(record, TaskError(code="lost", message="gone"))
    late = a_task(expires_seconds=1)
    await records.create(late)
    world.advance(2)
    await records.read([late.id])
    claim = await records.claim(unheard, "c1", alone=True)
    assert claim.lease is not None
    assert {webhook.task_id for webhook in await taken(records)} == {
        task.id for task in (canceled, absent, reported, lost, late)
    }


async def test_ends_that_were_not_asked_for_are_not_told(world: World) -> None:
    records = world.records
    failure = Outcome(State.FAILED, error=TaskError(code="x", message="no luck"))
    silent = await ended(records, a_task(callback_events=["failed", "expired"]))
    told = await ended(records, a_task(callback_events=["failed", "expired"]), failure)
    without = await ended(records, Task("echo", "cpu"))
    assert (await the_webhook(records, silent)).state is WebhookState.SKIPPED
    assert await records.webhooks.read(without.id) is None
    assert await records.webhooks.again(without.id) is None
    assert [webhook.task_id for webhook in await taken(records)] == [told.id]


async def test_what_nobody_noted_is_taken_again(world: World) -> None:
    records = world.records
    await ended(records)
    [first] = await taken(records)
    world.advance(CLAIM_SECONDS + 1)
    [second] = await taken(records)
    assert second.claim != first.claim
    await records.webhooks.note(first, REFUSED, again_seconds=None, state=WebhookState.FAILED)
    task = await records.webhooks.read(first.task_id)
    assert task is not None
    assert task.state is WebhookState.PENDING, "an outcome under an older claim decides nothing"
    assert task.attempts == (REFUSED,), "but it is in the log"
    await records.webhooks.note(second, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    over = await records.webhooks.read(first.task_id)
    assert over is not None
    assert (over.state, over.attempts, over.next_at) == (WebhookState.DELIVERED, (REFUSED, TAKEN), None)
    world.advance(CLAIM_SECONDS + 1)
    assert await records.webhooks.take(limit=5) == DueWebhooks([], 0)


async def test_a_webhook_that_failed_comes_again_at_its_time(world: World) -> None:
    records = world.records
    task = await ended(records)
    [webhook] = await taken(records)
    await records.webhooks.note(webhook, REFUSED, again_seconds=300, state=WebhookState.PENDING)
    await records.webhooks.note(webhook, REFUSED, again_seconds=300, state=WebhookState.PENDING)  # its answer was lost
    noted = await the_webhook(records, task)
    assert (noted.state, noted.attempts) == (WebhookState.PENDING, (REFUSED,))
    assert noted.next_at is not None
    world.advance(298)
    assert await taken(records) == []
    world.advance(3)
    [again] = await taken(records)
    assert again.tries == 1


async def test_what_is_put_off_was_not_tried(world: World) -> None:
    records = world.records
    for _ in range(3):
        await ended(records)
    first, second, third = await taken(records)
    await records.webhooks.put_off([first, second], after_seconds=5)
    await records.webhooks.put_off([second], after_seconds=500)
    world.advance(6)
    assert {(webhook.task_id, webhook.tries) for webhook in await taken(records)} == {
        (first.task_id, 0),
        (second.task_id, 0),
    }
    await records.webhooks.put_off([], after_seconds=1)
    await records.webhooks.note(third, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)


async def test_where_nobody_waits_for_a_reply_the_life_begins_when_the_webhook_is_over(world: World) -> None:
    records = world.records
    told, forgotten, skipped = a_task(), a_task(), a_task(callback_events=["failed"])
    for task in (told, skipped):
        await records.create(replace(task, idempotency_key=task.id))
        await ended(records, task, ttl_seconds=1000)
    ended_unknown = await records.finish(Lease(forgotten.id, 7, 1), forgotten, DONE, ttl_seconds=1000)
    assert ended_unknown is not None
    assert await records.due(older_than_seconds=0) == [], "no reply is due"
    world.advance(100_000)
    assert [record and record.id for record in await records.read([told.id, forgotten.id, skipped.id])] == [
        told.id,
        forgotten.id,
        None,
    ]
    assert (await records.create(Task("other", "cpu", idempotency_key=skipped.id)))[0] is Submission.CREATED
    for webhook in await taken(records):
        await records.webhooks.note(webhook, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    world.advance(900)
    assert None not in await records.read([told.id, forgotten.id])
    world.advance(200)
    assert await records.read([told.id, forgotten.id]) == [None, None]
    assert (await records.create(Task("other", "cpu", idempotency_key=told.id)))[0] is Submission.CREATED


async def test_a_record_outlives_its_webhook(world: World) -> None:
    records = world.records
    task = await ended(records, an_awaited_task())
    await records.settle(task.id, ttl_seconds=1000)
    await records.settle(task.id, ttl_seconds=2000)
    world.advance(100_000)
    [webhook] = await taken(records)
    await records.webhooks.note(webhook, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    world.advance(900)
    assert (await records.read([task.id]))[0] is not None
    world.advance(200)
    assert (await records.read([task.id]))[0] is None


async def test_a_life_begins_with_the_end_of_the_webhook_though_the_reply_is_due(world: World) -> None:
    records = world.records
    task = await ended(records, an_awaited_task(), ttl_seconds=1000)
    world.advance(100_000)
    [webhook] = await taken(records)
    await records.webhooks.note(webhook, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    world.advance(999)
    assert (await records.read([task.id]))[0] is not None
    await records.settle(task.id, ttl_seconds=1000)
    world.advance(2)
    assert (await records.read([task.id]))[0] is None
    assert await records.webhooks.read(task.id) is None


async def test_a_webhook_is_sent_once_more_when_asked_for(world: World) -> None:
    records = world.records
    task = a_task()
    await records.create(task)
    waiting = await records.webhooks.again(task.id)
    assert waiting is not None
    assert waiting.state is WebhookState.WAITING
    await ended(records, task)
    await records.settle(task.id, ttl_seconds=1000)
    [webhook] = await taken(records)
    await records.webhooks.note(webhook, REFUSED, again_seconds=None, state=WebhookState.FAILED)
    world.advance(400)
    again = await records.webhooks.again(task.id)
    assert again is not None
    assert (again.state, again.attempts) == (WebhookState.PENDING, (REFUSED,))
    world.advance(5000)
    [webhook] = await taken(records)
    assert webhook.tries == 0
    await records.webhooks.note(webhook, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    world.advance(500)
    assert (await the_webhook(records, task)).state is WebhookState.DELIVERED
    world.advance(200)
    assert await records.webhooks.read(task.id) is None, "what was left of its life when it was asked for again"


async def test_asked_for_again_while_it_is_being_sent(world: World) -> None:
    records = world.records
    task = await ended(records)
    [sending] = await taken(records)
    await records.webhooks.again(task.id)
    await records.webhooks.note(sending, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    assert [webhook.task_id for webhook in await taken(records)] == [task.id]


async def test_the_log_holds_the_newest_attempts(world: World) -> None:
    records = world.records
    task = await ended(records)
    for number in range(MOST_ATTEMPTS_KEPT + 3):
        [webhook] = await taken(records)
        attempt = Delivery(at=float(number), milliseconds=1, error='said "no"\nand\tmore €')
        await records.webhooks.note(webhook, attempt, again_seconds=0, state=WebhookState.PENDING)
        world.advance(0.001)
    kept = (await the_webhook(records, task)).attempts
    assert [attempt.at for attempt in kept] == [float(n) for n in range(3, MOST_ATTEMPTS_KEPT + 3)]
    assert kept[0].error == 'said "no"\nand\tmore €'


async def test_the_most_overdue_come_first(world: World) -> None:
    records = world.records
    tasks = []
    for _ in range(3):
        tasks.append(await ended(records))
        world.advance(1)
    assert [webhook.task_id for webhook in await taken(records, 2)] == [task.id for task in tasks[:2]]
    assert [webhook.task_id for webhook in await taken(records, 2)] == [tasks[2].id]


async def test_an_owned_record_is_kept_until_it_is_let_go_of(world: World) -> None:
    records = world.records
    options = TaskOptions.model_validate({"callback_url": URL})
    task = await ended(records, Task("train", "train-cpu", options=options, owner="mljob/a/b/c"))
    await records.settle(task.id, ttl_seconds=10)
    await records.disown(task.id, ttl_seconds=1000)
    [webhook] = await taken(records)
    world.advance(2000)
    await records.webhooks.note(webhook, TAKEN, again_seconds=None, state=WebhookState.DELIVERED)
    world.advance(999)
    assert (await records.read([task.id]))[0] is not None
    world.advance(2)
    assert (await records.read([task.id]))[0] is None
