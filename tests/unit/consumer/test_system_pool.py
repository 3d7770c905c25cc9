"""The system pool: all duties side by side, and what becomes of one that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.consumer.stage import POOL, until
from tests.unit.consumer.system_case import LONG, REJECTED, SystemCase, wanted, with_headers
from warren.errors import UnavailableError
from warren.message import Message
from warren.record import State
from warren.topology import RESULTS
from warren_consumer.depths.memory import MemoryDepths
from warren_consumer.system.assembly import assemble
from warren_consumer.system.duties import Duties
from warren_consumer.system.overdue import OVERDUE_SECONDS
from warren_consumer.system.round import Round


@pytest.fixture
async def case() -> SystemCase:
    return SystemCase()


@asynccontextmanager
async def doing(duties: Duties) -> AsyncIterator[None]:
    running = asyncio.create_task(duties.run())
    try:
        yield
    finally:
        await duties.stop()
        await duties.drain(finish_seconds=0, hurry=asyncio.Event(), hand_back_seconds=1)
        await running
    assert not duties.consuming


async def test_all_duties_run_side_by_side_until_they_are_stopped(case: SystemCase) -> None:
    late = await case.submit()
    await case.records.cancel(late.id)
    expiring = await case.submit(expires_seconds=LONG)
    case.advance(max(LONG, OVERDUE_SECONDS) + 1)
    done = await case.accepted()
    refused = wanted()
    case.broker.queues[POOL.dead_letter_queue].push(with_headers(refused, REJECTED))
    case.broker.queues[RESULTS].push(Message(b"1", message_id=done.id))
    duties = assemble(case.means)
    async with doing(duties):
        await until(lambda: len(case.replies) == 4)
        await until(lambda: duties.consuming)
    states = [(await case.record(task)).state for task in (late, expiring, done, refused)]
    assert states == [State.CANCELED, State.EXPIRED, State.SUCCEEDED, State.FAILED]


async def test_a_store_that_is_away_does_not_end_the_duties(case: SystemCase) -> None:
    duties = assemble(case.means)
    case.records.available = False
    async with doing(duties):
        await asyncio.sleep(0.02)
        assert duties.consuming


async def test_without_its_queues_it_is_not_ready(case: SystemCase) -> None:
    del case.broker.queues[POOL.dead_letter_queue]
    duties = assemble(case.means)
    async with doing(duties):
        await asyncio.sleep(0.02)
        assert not duties.consuming


@pytest.mark.parametrize(("fault", "counted"), [(RuntimeError("boom"), True), (UnavailableError("away"), False)])
async def test_a_duty_that_fails_is_done_again(case: SystemCase, fault: Exception, *, counted: bool) -> None:
    done = 0

    async def duty() -> None:
        nonlocal done
        done += 1
        if done == 1:
            raise fault

    async with doing(Duties([Round("sweeping", 0.001, duty, case.means.metrics)])):
        await until(lambda: done >= 3)
    assert case.counted("warren_system_faults_total", "sweeping") == counted


async def test_depths_are_what_queues_hold_waiting_or_handed_out(case: SystemCase) -> None:
    depths = MemoryDepths(case.broker)
    assert (await depths.read())[POOL.queue] == 0
    await case.submit()
    await case.submit()
    held = case.queue.pop()
    assert (await depths.read())[POOL.queue] == 2
    await held.ack()
    assert (await depths.read())[POOL.queue] == 1
    assert "warren.tasks.unknown" not in await depths.read()
    case.broker.available = False
    with pytest.raises(UnavailableError):
        await depths.read()
