"""The clock in a hurry: a wait is soon over, has taken its time all the same, and ends at once with what it is for."""

import asyncio
import time

import pytest

pytestmark = pytest.mark.usefixtures("hurry")

SECONDS = 2.0


async def test_a_wait_takes_a_part_of_its_time_and_seems_to_have_taken_it_all() -> None:
    clocks = (asyncio.get_running_loop().time, time.monotonic, time.time)
    real, began = time.perf_counter(), [clock() for clock in clocks]
    await asyncio.sleep(SECONDS)
    for clock, before in zip(clocks, began, strict=True):
        assert SECONDS <= clock() - before < 1.5 * SECONDS
    assert time.perf_counter() - real < SECONDS / 2


async def test_a_limit_of_time_is_met_by_what_a_thread_does_meanwhile() -> None:
    async with asyncio.timeout(SECONDS):
        assert await asyncio.to_thread(sum, range(10)) == 45


async def test_a_limit_of_time_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), SECONDS)
