"""Slots: first come, first served, and one can have them all."""

from __future__ import annotations

import asyncio

from warren_consumer.slots import Slots


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
