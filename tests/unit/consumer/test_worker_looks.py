"""What the worker sees and tells every second: progress, cancels, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.consumer.stage import Stage, until
from warren.record import Progress, State
from warren.records import LEASE_SECONDS
from warren_consumer import worker as module

HALF = Progress(fraction=0.5, message="half")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)


def counted(stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str) -> list[Any]:
    """Count the calls of a step of the records."""
    calls: list[Any] = []
    original: Callable[..., Any] = getattr(stage.records, step)

    async def count(*args: Any, **named: Any) -> Any:
        calls.append(args)
        return await original(*args, **named)

    monkeypatch.setattr(stage.records, step, count)
    return calls


async def test_progress_is_told_once_for_each_change(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.knows_work()
    task = await stage.submit()
    renewals = counted(stage, monkeypatch, "renew")
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await worker.look()
        assert renewals == []
        worker.held[task.id].report(HALF)
        for _ in range(3):
            await worker.look()
        assert len(renewals) == 1
        assert (await stage.record(task)).progress == HALF
        worker.held[task.id].report(Progress(fraction=0.6))
        await worker.look()
        assert len(renewals) == 2


async def test_the_last_progress_before_the_end_is_told(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        worker.held[task.id].report(HALF)
        stage.gate.set()
        await until(lambda: stage.empty)
    record = await stage.record(task)
    assert (record.state, record.progress) == (State.SUCCEEDED, HALF)


async def test_progress_that_could_not_be_told_is_told_later(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        worker.held[task.id].report(HALF)
        stage.records.available = False
        await worker.look()
        stage.records.available = True
        await worker.look()
        assert (await stage.record(task)).progress == HALF


async def test_all_tasks_are_looked_at_together_and_none_that_has_just_begun(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.knows_work()
    tasks = [await stage.submit() for _ in range(3)]
    reads = counted(stage, monkeypatch, "read")
    async with stage.working(concurrency=3) as worker:
        await until(lambda: len(stage.began) == 3)
        await worker.look()
        assert [sorted(ids) for (ids,) in reads] == [sorted(task.id for task in tasks)]
        monkeypatch.setattr(module, "LOOK_SECONDS", 60.0)
        await worker.look()
        assert [ids for (ids,) in reads[1:]] in ([], [[]])


async def test_a_cancel_is_seen_without_a_heartbeat(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await worker.look()
        assert stage.canceled == []
        await stage.records.cancel(task.id)
        await worker.look()
        await until(lambda: stage.empty)
    assert stage.canceled == [task.id]
    assert (await stage.record(task)).state is State.CANCELED


async def test_a_suspension_is_seen_and_hands_back(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        await stage.records.hold(task.id, held=True)
        await worker.look()
        await until(lambda: bool(stage.broker.delayed))
    assert stage.canceled == [task.id]
    assert not (await stage.record(task)).leased


async def test_a_newer_fence_is_seen(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working("c1") as worker:
        await until(lambda: len(stage.began) == 1)
        stage.advance(LEASE_SECONDS + 1)
        await stage.records.claim(task, "c2", alone=True)
        await worker.look()
        await until(lambda: bool(stage.broker.delayed))
    assert stage.canceled == [task.id]


async def test_a_record_that_the_store_forgot_stops_nothing(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        stage.records.flush()
        await worker.look()
        await asyncio.sleep(0.01)
        assert stage.canceled == []
        await worker.beat()
        assert (await stage.record(task)).leased
        stage.gate.set()
        await until(lambda: stage.empty)


async def test_a_store_that_is_away_stops_nothing(stage: Stage) -> None:
    stage.knows_work()
    await stage.submit()
    async with stage.working() as worker:
        await until(lambda: len(stage.began) == 1)
        stage.records.available = False
        await worker.look()
        stage.records.available = True
        stage.gate.set()
        await until(lambda: stage.empty)
    assert stage.canceled == []
