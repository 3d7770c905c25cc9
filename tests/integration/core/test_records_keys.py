"""Idempotency keys in the records: one submission a key and caller, for as long as its record lives."""

from __future__ import annotations

import hashlib

import pytest
import redis

from tests.integration.core.store_world import Store
from tests.integration.servers import Workspace
from tests.unit.core.worlds import World
from warren.errors import IdempotencyConflictError
from warren.record import Outcome, State, Submission
from warren.records import Records
from warren.records.redis import KEYS
from warren.tasks import Payload, Task

CALLERS = (None, "ann", "bob")
DONE = Outcome(State.SUCCEEDED, result=b"42", result_type="application/json")
LIFE = 60.0


async def finish(records: Records, task: Task) -> None:
    claim = await records.claim(task, "c1", alone=False)
    assert claim.lease is not None
    await records.finish(claim.lease, task, DONE, ttl_seconds=LIFE)


async def test_it_finds_the_first_submission(world: World) -> None:
    first = Task("echo", "cpu", Payload(b"1"), idempotency_key="k", caller="ann")
    again = Task("echo", "cpu", Payload(b"1"), idempotency_key="k", caller="ann")
    other = Task("echo", "cpu", Payload(b"2"), idempotency_key="k", caller="ann")
    await world.records.create(first)
    submission, record = await world.records.create(again)
    assert (submission, record.id) == (Submission.UNACCEPTED, first.id)
    with pytest.raises(IdempotencyConflictError, match=first.id):
        await world.records.create(other)


async def test_it_is_its_callers_own(world: World) -> None:
    tasks = [Task("echo", "cpu", Payload(b"%d" % n), idempotency_key="k", caller=c) for n, c in enumerate(CALLERS)]
    for task in tasks:
        assert (await world.records.create(task))[0] is Submission.CREATED
    for task, read in zip(tasks, await world.records.read([task.id for task in tasks]), strict=True):
        assert read is not None
        assert read.caller == task.caller


async def test_a_large_payload_is_the_same_submission_wherever_it_lies(world: World) -> None:
    body = b"[1, 2, 3]"
    stored = Payload(b"", reference="s3://b/payloads/1", sha256=hashlib.sha256(body).hexdigest())
    first = Task("echo", "cpu", Payload(body), idempotency_key="large")
    await world.records.create(first)
    _, record = await world.records.create(Task("echo", "cpu", stored, idempotency_key="large"))
    assert record.id == first.id
    other = Payload(b"", reference="s3://b/payloads/1", sha256=hashlib.sha256(b"else").hexdigest())
    with pytest.raises(IdempotencyConflictError):
        await world.records.create(Task("echo", "cpu", other, idempotency_key="large"))


async def test_it_dies_with_its_record(world: World) -> None:
    task = Task("echo", "cpu", idempotency_key="dies")
    await world.records.create(task)
    await finish(world.records, task)
    await world.records.settle(task.id, ttl_seconds=LIFE)
    world.advance(LIFE - 1)
    assert (await world.records.create(task))[0] is Submission.ACCEPTED
    world.advance(2)
    assert (await world.records.create(Task("other", "cpu", idempotency_key="dies")))[0] is Submission.CREATED


@pytest.mark.parametrize("reply_to", [None, "warren.reply.test"])
async def test_it_takes_no_room_once_its_record_is_gone(workspace: Workspace, reply_to: str | None) -> None:
    """The port does not show it, but keys that stayed would fill the store."""
    store, task = Store(workspace.records_url), Task("echo", "cpu", idempotency_key="k", reply_to=reply_to)
    await store.records.create(task)
    with redis.Redis.from_url(workspace.records_url) as admin:
        assert admin.keys(f"{KEYS}*")
        await finish(store.records, task)
        if reply_to:
            await store.records.settle(task.id, ttl_seconds=LIFE)
        store.advance(LIFE + 1)
        assert not admin.keys(f"{KEYS}*")
    await store.close()
