"""The store as a server: away, restarted, hanging, full; and what one round brings, each caller's own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis

from tests.integration.core.steps import DONE, a_task, claimed, state_of
from tests.integration.servers import Workspace
from warren.errors import RecordsUnavailableError
from warren.record import Claim, Renewal, State, Submission, TaskError
from warren.records import Records
from warren.records.parcels import MOST_IN_A_PARCEL
from warren.records.pipeline import MOST_TOGETHER
from warren.records.redis import PREFIX, RedisRecords


@pytest.mark.parametrize(
    "call",
    [
        lambda records: records.ping(),
        lambda records: records.read(["x"]),
        lambda records: records.create(a_task()),
    ],
)
async def test_a_store_that_is_away_is_named_within_a_second(call: Callable[[Records], object]) -> None:
    records = RedisRecords("redis://:secret@127.0.0.1:1/0")
    async with asyncio.timeout(1):
        with pytest.raises(RecordsUnavailableError, match=r"127\.0\.0\.1:1") as caught:
            await call(records)  # type: ignore[misc]
    assert "secret" not in caught.value.detail


@pytest.fixture(name="store")
async def _store(workspace: Workspace) -> AsyncIterator[RedisRecords]:
    """Give records that wait for the store no longer than an API does."""
    records = RedisRecords(workspace.records_url)
    yield records
    await records.close()


async def test_steps_are_known_to_a_store_that_was_restarted(store: RedisRecords, workspace: Workspace) -> None:
    tasks = [a_task() for _ in range(20)]
    await asyncio.gather(*map(store.create, tasks))
    workspace.servers.store.restart()
    created, found = await asyncio.gather(
        asyncio.gather(*map(store.create, tasks)), asyncio.gather(*(store.read([task.id]) for task in tasks))
    )
    assert [submission for submission, _ in created] == [Submission.UNACCEPTED] * 20
    assert [record and record.id for [record] in found] == [task.id for task in tasks]


async def test_connections_that_the_store_has_closed_are_made_again(store: RedisRecords, workspace: Workspace) -> None:
    """More steps than one round holds, so that all connections are in use, and all of them are gone."""
    for _ in range(3):
        tasks = [a_task() for _ in range(MOST_TOGETHER + 50)]
        created = await asyncio.gather(*map(store.create, tasks))
        assert {submission for submission, _ in created} == {Submission.CREATED}
        with redis.Redis.from_url(workspace.records_url) as admin:
            admin.client_kill_filter(_type="normal", skipme=True)
        await store.ping()


async def test_a_store_that_hangs_is_named_within_a_second_and_answers_rightly_afterwards(
    store: RedisRecords, workspace: Workspace
) -> None:
    task, loop = a_task(), asyncio.get_running_loop()
    lease = await claimed(store, task)
    with redis.Redis.from_url(workspace.records_url) as admin:
        admin.client_pause(2500)
    began, calls = loop.time(), []
    for _ in range(12):
        calls.append(asyncio.create_task(timed(store.renew(lease, task, "c1"))))
        await asyncio.sleep(0.1)
    said = await asyncio.gather(*calls)
    assert all(isinstance(error, RecordsUnavailableError) and took < 1 for error, took in said)
    await asyncio.sleep(max(0.0, began + 2.7 - loop.time()))
    other = a_task()
    created, renewed, found = await asyncio.gather(
        store.create(other), store.renew(lease, task, "c1"), store.read([task.id, other.id, "none"])
    )
    assert (created[0], renewed) == (Submission.CREATED, Renewal.RENEWED)
    assert [record and record.id for record in found] == [task.id, other.id, None]


async def timed(call: Awaitable[object]) -> tuple[object, float]:
    """Return what the call raised, or returned, and how long it took."""
    began = asyncio.get_running_loop().time()
    [said] = await asyncio.gather(call, return_exceptions=True)
    return said, asyncio.get_running_loop().time() - began


async def test_a_caller_that_gives_up_leaves_the_others_their_own_answers(store: RedisRecords) -> None:
    tasks = [a_task() for _ in range(50)]
    await asyncio.gather(*map(store.create, tasks))
    for number in range(20):
        calls = [asyncio.create_task(store.read([task.id])) for task in tasks]
        for _ in range(number % 5):
            await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        said = await asyncio.gather(*calls, return_exceptions=True)
        for task, answer in zip(tasks, said, strict=True):
            if not isinstance(answer, BaseException):
                assert [record and record.id for record in answer] == [task.id]
            else:
                assert isinstance(answer, asyncio.CancelledError)


async def test_a_record_that_cannot_be_read_is_its_own_caller_s_alone(
    store: RedisRecords, workspace: Workspace
) -> None:
    tasks = [a_task() for _ in range(2 * MOST_IN_A_PARCEL + 3)]
    with redis.Redis.from_url(workspace.records_url) as admin:
        admin.set(PREFIX + tasks[5].id, "no record")
    said = await asyncio.gather(*(store.claim(task, "c1", alone=False) for task in tasks), return_exceptions=True)
    refused = said.pop(5)
    assert isinstance(refused, RecordsUnavailableError)
    assert "WRONGTYPE" in refused.detail
    del tasks[5]
    claims = [claim for claim in said if isinstance(claim, Claim)]
    assert [claim.record.id for claim in claims] == [task.id for task in tasks]
    leases = [claim.lease for claim in claims if claim.lease]
    ended = await asyncio.gather(*(store.finish(lease, task, DONE) for lease, task in zip(leases, tasks, strict=True)))
    assert all(ended)


async def test_a_full_store_takes_nothing_of_what_is_asked_together(store: RedisRecords, workspace: Workspace) -> None:
    """One that was retried has fields to be deleted, which a full store does; what follows must not get in by that."""
    retried, *tasks = (a_task() for _ in range(MOST_IN_A_PARCEL))
    lease = await claimed(store, retried)
    assert await store.retry(lease, retried, TaskError(code="exception", message="x"), after_seconds=0)
    await asyncio.gather(*map(store.create, tasks))
    with redis.Redis.from_url(workspace.records_url) as admin:
        admin.config_set("maxmemory", 1)
        try:
            calls = (store.claim(task, "c1", alone=False) for task in (retried, *tasks))
            said = await asyncio.gather(*calls, return_exceptions=True)
        finally:
            admin.config_set("maxmemory", 0)
    assert all(isinstance(refused, RecordsUnavailableError) for refused in said)
    assert {await state_of(store, task) for task in tasks} == {State.QUEUED}
    assert await state_of(store, retried) is State.RETRYING
