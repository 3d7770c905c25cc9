"""No history of the records in memory ends a task twice, loses one, or lets an older fence write."""

from __future__ import annotations

from hypothesis import settings

from tests.unit.core.histories import Histories
from tests.unit.core.worlds import Memory, World
from warren.clock import ManualClock
from warren.records.memory import MemoryRecords
from warren.tasks import Task


class InMemory(Histories):
    async def begin(self) -> World:
        return Memory()


TestInMemory = InMemory.TestCase
TestInMemory.settings = settings(max_examples=200, stateful_step_count=50, deadline=None, database=None)


async def test_a_fence_grows_even_while_the_clock_stands_or_goes_back() -> None:
    clock, task = ManualClock(), Task("echo", "cpu")
    records, newest = MemoryRecords(clock), 0
    for _ in range(3):
        claim = await records.claim(task, "c1", alone=True)
        assert claim.lease is not None
        assert claim.lease.fence > newest
        newest = claim.lease.fence
        await records.release(claim.lease)
        clock.advance(-1)
