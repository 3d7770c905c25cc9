"""Slots: first come, first served, and one can have them all."""

from __future__ import annotations

import asyncio
import time

import pytest

from warren_consumer.slots import ALONE_AGAIN_SECONDS, ConsumerSlots, CrowdedError, Slots


async def holding(slots: Slots, count: int, log: list[str], name: str, release: asyncio.Event) -> None:
    async with slots.taken(count):
        log.append(name)
        await release.wait()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_slots_wait_for_each_other_in_order() -> None:
    slots, log, free = Slots(2), list[str](), [asyncio.Event() for _ in range(4)]
    tasks = []
    for number, (name, count) in enumerate([("a", 1), ("b", 1), ("all", 2), ("c", 1)]):
        tasks.append(asyncio.create_task(holding(slots, count, log, name, free[number])))
        await turns()
    assert log == ["a", "b"]
    free[0].set()
    await turns()
    assert log == ["a", "b"]
    free[1].set()
    await turns()
    assert log == ["a", "b", "all"]
    free[2].set()
    await turns()
    assert log == ["a", "b", "all", "c"]
    free[3].set()
    await asyncio.gather(*tasks)


async def test_one_that_gives_up_waiting_lets_the_next_in() -> None:
    slots, log, free = Slots(2), list[str](), asyncio.Event()
    first = asyncio.create_task(holding(slots, 1, log, "a", free))
    await turns()
    greedy = asyncio.create_task(holding(slots, 2, log, "all", free))
    await turns()
    next_in_line = asyncio.create_task(holding(slots, 1, log, "b", free))
    await turns()
    greedy.cancel()
    await turns()
    assert log == ["a", "b"]
    free.set()
    await asyncio.gather(first, next_in_line)


async def test_one_that_is_canceled_as_its_turn_comes_gives_the_slot_on() -> None:
    slots, log, free = Slots(1), list[str](), asyncio.Event()
    first = asyncio.create_task(holding(slots, 1, log, "a", free))
    await turns()
    second = asyncio.create_task(holding(slots, 1, log, "b", asyncio.Event()))
    third = asyncio.create_task(holding(slots, 1, log, "c", free))
    await turns()
    free.set()
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(first, third)
    assert "c" in log


async def test_a_slot_that_comes_free_as_one_gives_up_is_not_lost() -> None:
    """What gives up is a future at once, and its task only a turn of the event loop later."""
    slots, log, free = Slots(1), list[str](), asyncio.Event()
    first = asyncio.create_task(holding(slots, 1, log, "a", free))
    await turns()
    second = asyncio.create_task(holding(slots, 1, log, "b", asyncio.Event()))
    await turns()
    free.set()
    second.cancel()
    await first
    with pytest.raises(asyncio.CancelledError):
        await second
    await holding(slots, 1, log, "c", free)
    assert log == ["a", "c"]


async def test_two_that_give_up_together_leave_room_for_the_next() -> None:
    """Those whose consumer died come to another together, and have waited for too long at the same moment."""
    slots, log, free = Slots(2), list[str](), asyncio.Event()
    first = asyncio.create_task(holding(slots, 1, log, "a", free))
    await turns()
    both = [asyncio.create_task(holding(slots, count, log, "b", free)) for count in (2, 1)]
    await turns()
    for one in both:
        one.cancel()
    ends = await asyncio.gather(*both, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
    free.set()
    await first
    await holding(slots, 2, log, "all", free)
    assert log == ["a", "all"]


async def test_one_that_waits_for_too_long_is_told_and_keeps_nothing(hurry: None) -> None:
    slots, log, free = Slots(2), list[str](), asyncio.Event()
    first = asyncio.create_task(holding(slots, 1, log, "a", free))
    await turns()
    with pytest.raises(CrowdedError):
        async with slots.taken(2, seconds=3):
            log.append("all")
    second = asyncio.create_task(holding(slots, 1, log, "b", free))
    await turns()
    assert log == ["a", "b"]
    free.set()
    await asyncio.gather(first, second)
    await holding(slots, 2, log, "all", free)
    assert log == ["a", "b", "all"]


async def test_slots_are_idle_for_half_of_the_time_at_most_and_one_is_alone_in_the_end(
    hurry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warren_consumer.slots.ROOM_SECONDS", 1.0)
    slots, free = ConsumerSlots(2), asyncio.Event()
    other = asyncio.create_task(holding(slots, 1, [], "long", free))
    await turns()
    began, waits = time.monotonic(), list[float]()
    while not waits or waits[-1] < 3.5:
        asked = time.monotonic()
        with pytest.raises(CrowdedError) as crowded:
            async with slots.all_taken():
                pass
        waits.append(time.monotonic() - asked)
        assert crowded.value.pause_seconds == ALONE_AGAIN_SECONDS
        assert sum(waits) <= (time.monotonic() - began + max(waits)) / 2 + 0.5
        await asyncio.sleep(0.2)
    assert [wait for wait in waits if wait > 0.5] == pytest.approx([1, 2, 4], abs=0.4)
    await asyncio.sleep(4)
    free.set()
    async with slots.all_taken():
        assert other.done()


async def test_one_that_is_alone_keeps_the_next_one_from_it_for_a_moment_only(hurry: None) -> None:
    slots = ConsumerSlots(2)
    async with slots.all_taken():
        with pytest.raises(CrowdedError) as crowded:
            async with slots.all_taken():
                pass
    assert crowded.value.pause_seconds < ALONE_AGAIN_SECONDS
    async with slots.all_taken():
        pass
