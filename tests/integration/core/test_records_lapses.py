"""Lapses: a consumer that died of a task is charged; one that was only frozen, or cut off, is not."""

from __future__ import annotations

import pytest

from tests.unit.core.worlds import World
from warren.record import Lease, Outcome, Record, Renewal, State, TaskError, Verdict
from warren.records import LEASE_SECONDS, MAX_LAPSES, Records
from warren.tasks import Task, TaskOptions

DONE = Outcome(State.SUCCEEDED, result=b"42")
FAULT = TaskError(code="exception", message="no luck")


async def lapsed(world: World, task: Task, *, alone: bool = True) -> Lease:
    claim = await world.records.claim(task, "c1", alone=alone)
    assert claim.lease is not None, claim
    world.advance(LEASE_SECONDS + 1)
    return claim.lease


async def come_back(records: Records, lease: Lease, task: Task, step: str) -> None:
    """Write as the bearer of a fence that a newer one has replaced."""
    match step:
        case "renew":
            assert await records.renew(lease, task, "c1") is Renewal.LOST
        case "finish":
            assert await records.finish(lease, task, DONE) is None
        case "retry":
            assert not await records.retry(lease, task, FAULT, after_seconds=1)
        case "release":
            assert not await records.release(lease)


async def the_record(records: Records, task: Task) -> Record:
    [record] = await records.read([task.id])
    assert record is not None
    return record


@pytest.mark.parametrize("step", ["renew", "finish", "retry", "release"])
async def test_a_lapse_is_taken_back_when_its_consumer_comes_back(world: World, step: str) -> None:
    task = Task("train", "train-cpu")
    frozen = await lapsed(world, task)
    claim = await world.records.claim(task, "c2", alone=True)
    assert (claim.record.lapses, claim.record.suspect) == (1, True)
    for _ in range(2):
        await come_back(world.records, frozen, task, step)
        record = await the_record(world.records, task)
        assert (record.lapses, record.suspect, record.state) == (0, False, State.STARTED)
    assert claim.lease is not None
    assert await world.records.finish(claim.lease, task, DONE) is not None


async def test_no_number_of_partitions_is_poison(world: World) -> None:
    task = Task("train", "train-cpu")
    frozen = await lapsed(world, task)
    for _ in range(2 * MAX_LAPSES):
        newer = await lapsed(world, task)
        await come_back(world.records, frozen, task, "renew")
        frozen = newer
    assert (await world.records.claim(task, "c2", alone=True)).verdict is Verdict.CLAIMED


async def test_a_death_is_not_forgiven_for_another_that_was_none(world: World) -> None:
    task = Task("train", "train-cpu")
    await lapsed(world, task, alone=False)
    frozen = await lapsed(world, task)
    await lapsed(world, task)
    claim = await world.records.claim(task, "c4", alone=True)
    assert claim.record.lapses == 2
    await come_back(world.records, frozen, task, "finish")
    record = await the_record(world.records, task)
    assert (record.lapses, record.suspect) == (1, True)


async def test_a_death_among_others_keeps_its_suspicion_when_a_later_lapse_is_taken_back(world: World) -> None:
    task = Task("train", "train-cpu")
    await lapsed(world, task, alone=False)
    frozen = await lapsed(world, task)
    await world.records.claim(task, "c3", alone=True)
    await come_back(world.records, frozen, task, "renew")
    record = await the_record(world.records, task)
    assert (record.lapses, record.suspect) == (0, True)


async def test_a_consumer_that_comes_back_before_another_has_claimed_goes_on(world: World) -> None:
    task = Task("train", "train-cpu")
    frozen = await lapsed(world, task)
    assert (await world.records.claim(task, "c2", alone=False)).verdict is Verdict.ALONE
    world.advance(100)
    assert await world.records.renew(frozen, task, "c1") is Renewal.RENEWED
    record = await the_record(world.records, task)
    assert (record.lapses, record.suspect, record.leased) == (0, False, True)
    world.advance(10)
    assert await world.records.finish(frozen, task, DONE) is not None
    record = await the_record(world.records, task)
    assert record.running_seconds == pytest.approx(LEASE_SECONDS + 10, abs=1), "no second is counted twice"


async def test_what_ended_as_poison_stays_so(world: World) -> None:
    task = Task("train", "train-cpu")
    leases = [await lapsed(world, task) for _ in range(MAX_LAPSES)]
    assert (await world.records.claim(task, "c2", alone=True)).verdict is Verdict.POISON
    for lease in leases:
        await come_back(world.records, lease, task, "renew")
    record = await the_record(world.records, task)
    assert (record.state, record.lapses) == (State.FAILED, MAX_LAPSES)


async def test_a_failure_clears_all_lapses(world: World) -> None:
    task = Task("train", "train-cpu")
    await lapsed(world, task)
    frozen = await lapsed(world, task)
    claim = await world.records.claim(task, "c3", alone=True)
    assert claim.lease is not None
    assert await world.records.retry(claim.lease, task, FAULT, after_seconds=0)
    await come_back(world.records, frozen, task, "renew")
    record = await the_record(world.records, task)
    assert (record.lapses, record.suspect) == (0, False)


async def test_a_clock_that_is_set_back_makes_no_dead_consumers_lease_longer(world: World) -> None:
    task = Task("train", "train-cpu")
    assert (await world.records.claim(task, "dead", alone=True)).verdict is Verdict.CLAIMED
    world.advance(-3600)
    claim = await world.records.claim(task, "c2", alone=True)
    assert (claim.verdict, round(claim.wait_seconds)) == (Verdict.BUSY, LEASE_SECONDS)
    world.advance(LEASE_SECONDS + 1)
    claim = await world.records.claim(task, "c2", alone=True)
    assert (claim.verdict, claim.record.lapses) == (Verdict.CLAIMED, 1)


async def test_a_clock_that_is_set_back_takes_no_lease_from_who_renews_it(world: World) -> None:
    task = Task("train", "train-cpu")
    claim = await world.records.claim(task, "c1", alone=True)
    assert claim.lease is not None
    world.advance(-3600)
    assert (await world.records.claim(task, "c2", alone=True)).verdict is Verdict.BUSY
    for _ in range(4):
        world.advance(LEASE_SECONDS - 5)
        assert await world.records.renew(claim.lease, task, "c1") is Renewal.RENEWED
        assert (await world.records.claim(task, "c2", alone=True)).verdict is Verdict.BUSY
    assert await world.records.finish(claim.lease, task, DONE) is not None


@pytest.mark.parametrize("way", ["delay", "retry"])
async def test_a_clock_that_is_set_back_makes_no_pause_longer(world: World, way: str) -> None:
    options = TaskOptions(delay_seconds=40 if way == "delay" else 0)
    task = Task("train", "train-cpu", options=options)
    await world.records.create(task)
    if way == "retry":
        claim = await world.records.claim(task, "c1", alone=True)
        assert claim.lease is not None
        assert await world.records.retry(claim.lease, task, FAULT, after_seconds=40)
    world.advance(-3600)
    for passes, left in ((0, 40), (30, 10)):
        world.advance(passes)
        claim = await world.records.claim(task, "c1", alone=True)
        assert (claim.verdict, round(claim.wait_seconds)) == (Verdict.EARLY, left)
    world.advance(11)
    assert (await world.records.claim(task, "c1", alone=True)).verdict is Verdict.CLAIMED
