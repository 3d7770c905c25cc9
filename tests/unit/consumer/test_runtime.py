"""The life of a consumer process around its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.consumer.stage import POOL, Stage, until
from warren.errors import BrokerUnavailableError, UnavailableError
from warren.record import State
from warren_consumer import runtime as module
from warren_consumer import worker
from warren_consumer.health import Health
from warren_consumer.runtime import Runtime


def runtime(stage: Stage, worn: Callable[[], str | None] = lambda: None) -> Runtime:
    probes = {"broker": stage.broker.ping, "records": stage.records.ping}
    health = Health([*probes, "consuming"])
    return Runtime(
        stage.worker(),
        stage.events,
        health,
        probes,
        worn,
        beat_seconds=0.01,
        grace_seconds=20,
        hand_back_seconds=10,
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.0)


async def test_it_is_ready_once_it_consumes_and_ends_in_good_order(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    process = runtime(stage)
    assert not process.health.ready
    running = asyncio.create_task(process.run())
    await until(lambda: process.health.ready and bool(stage.began))
    process.stop()
    await until(lambda: not process.health.ready)
    stage.gate.set()
    await running
    assert (await stage.record(task)).state is State.SUCCEEDED
    assert "task.succeeded.work" in [key for key, _ in stage.broker.events]


async def test_it_waits_for_what_is_away_and_says_so(stage: Stage) -> None:
    stage.records.available = False
    queue = stage.broker.queues.pop(POOL.queue)
    process = runtime(stage)
    running = asyncio.create_task(process.run())
    await until(lambda: "away" in str(process.health.document()["dependencies"]))
    stage.records.available = True
    await asyncio.sleep(0.03)
    assert not process.health.ready
    stage.broker.queues[POOL.queue] = queue
    await until(lambda: process.health.ready)
    stage.broker.available = False
    await until(lambda: not process.health.ready)
    stage.broker.available = True
    await until(lambda: process.health.ready)
    process.stop()
    await running


async def test_a_dependency_that_says_nothing_hides_nothing_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    process = runtime(stage)
    running = asyncio.create_task(process.run())
    await until(lambda: process.health.ready)
    process.probes = {**process.probes, "storage": asyncio.Event().wait}
    await until(lambda: "no answer within 0.02 s" in str(process.health.document()["dependencies"]))
    stage.broker.available = False
    await until(lambda: "the broker is away" in str(process.health.document()["dependencies"]))
    stage.broker.available = True
    process.stop()
    await running


async def test_a_dependency_that_says_nothing_is_asked_once_until_it_answers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)
    process = runtime(stage)
    running = asyncio.create_task(process.run())
    await until(lambda: process.health.ready)
    asked: list[asyncio.Future[None]] = []
    pings = 0

    def storage() -> asyncio.Future[None]:
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    async def broker() -> None:
        nonlocal pings
        pings += 1
        await stage.broker.ping()

    process.probes = {**process.probes, "broker": broker, "storage": storage}
    await until(lambda: "no answer within 0.01 s" in str(process.health.document()["dependencies"]))
    before = pings
    await until(lambda: pings > before + 3)
    assert len(asked) == 1
    asked[0].set_exception(UnavailableError("the bucket is gone"))
    await until(lambda: "the bucket is gone" in str(process.health.document()["dependencies"]))
    await until(lambda: len(asked) == 2)
    asked[1].set_result(None)
    await until(lambda: len(asked) == 3)
    process.stop()
    await running
    assert asked[2].cancelled()


async def test_what_waiting_cannot_mend_ends_it(stage: Stage) -> None:
    async def refuse() -> None:
        raise BrokerUnavailableError("the credentials are refused", retry_after=None)

    process = runtime(stage)
    process.probes = {"broker": refuse}
    with pytest.raises(BrokerUnavailableError, match="refused"):
        await process.run()


async def test_heartbeats_are_sent(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    process = runtime(stage)
    running = asyncio.create_task(process.run())
    await until(lambda: bool(stage.began))
    stage.advance(29)
    await asyncio.sleep(0.05)
    stage.advance(29)
    assert (await stage.record(task)).leased
    process.stop()
    process.stop()
    await running
    assert stage.canceled == [task.id]


async def test_a_worn_process_finishes_what_is_at_hand_and_ends_with_the_reason(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    problems: list[str] = []
    process = runtime(stage, lambda: problems[0] if problems else None)
    running = asyncio.create_task(process.run())
    await until(lambda: bool(stage.began))
    problems.append("8 plain functions run on")
    await until(lambda: "8 plain functions" in str(process.health.document()["dependencies"]))
    stage.gate.set()
    with pytest.raises(UnavailableError, match="8 plain functions"):
        await running
    assert (await stage.record(task)).state is State.SUCCEEDED


async def test_progress_is_told_and_a_cancel_is_seen_between_heartbeats(stage: Stage) -> None:
    stage.knows_work()
    task = await stage.submit()
    process = runtime(stage)
    process.beat_seconds = 60
    running = asyncio.create_task(process.run())
    await until(lambda: bool(stage.began))
    await stage.records.cancel(task.id)
    await until(lambda: stage.canceled == [task.id])
    process.stop()
    await running
