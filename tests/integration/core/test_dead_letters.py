"""The pages of the dead letters, in memory and in a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.servers import Workspace
from warren.record import Outcome, TaskError
from warren.records import Records
from warren.records.memory import MemoryRecords
from warren.tasks import Payload, Task, TaskOptions

COUNT = 1200
ERROR = TaskError(code="exception", message="boom")


@pytest.fixture(params=["memory", "redis"])
async def records(request: pytest.FixtureRequest, workspace: Workspace) -> AsyncIterator[Records]:
    """Give the records of both adapters in turn."""
    if request.param == "memory":
        yield MemoryRecords()
        return
    records = workspace.records()
    yield records
    await records.close()


async def fail(records: Records, payload: bytes = b"{}", **options: object) -> str:
    task = Task("echo", "cpu", Payload(payload), TaskOptions.model_validate(options))
    await records.create(task)
    claim = await records.claim(task, "c", alone=True)
    assert claim.lease is not None
    assert await records.finish(claim.lease, task, Outcome.failed(ERROR, task.payload))
    return task.id


async def test_all_are_met_once_while_others_fail_and_are_discarded(records: Records) -> None:
    there = {await fail(records) for _ in range(COUNT)}
    met: list[str] = []
    after, others = None, 0
    while True:
        page = await records.dead(after=after, limit=77)
        met += [record.id for record in page.records]
        await records.discard(page.records[-1].id)  # where the next page begins
        await fail(records)
        others += 1
        if page.next is None:
            break
        after = page.next
    assert len(met) == len(set(met)) == COUNT
    assert set(met) == there
    newest = [record.id for record in (await records.dead(limit=others)).records]
    assert not set(newest) & there, "what failed meanwhile comes first"


async def test_a_page_tells_sizes_and_a_record_has_the_payload(records: Records) -> None:
    small, empty = await fail(records, b"x" * 1000), await fail(records, b"")
    page = await records.dead()
    found = {record.id: (record.payload, record.payload_size) for record in page.records}
    assert found == {small: (None, 1000), empty: (None, 0)}
    [record] = await records.read([small])
    assert record is not None
    assert (record.payload, record.payload_size) == (b"x" * 1000, None)


async def test_a_replay_finds_what_was_asked_for_the_callback(records: Records) -> None:
    failed = await fail(records, callback_url="http://example.com/", callback_events=("failed", "expired"))
    plain = await fail(records)
    asked, other = await records.read([failed, plain])
    assert asked is not None
    assert other is not None
    assert (asked.callback_events, other.callback_events) == (("failed", "expired"), None)


async def test_what_is_no_page_is_refused(records: Records) -> None:
    for text in ("", "x", "1", "-a", "1.5-a"):
        with pytest.raises(ValueError, match="is not the `next`"):
            await records.dead(after=text)
