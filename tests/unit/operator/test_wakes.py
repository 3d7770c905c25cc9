"""A pool that sleeps is woken by the task that is submitted to it, before any figure shows the task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.unit.operator.test_pool_life import QUEUE, create, status
from tests.unit.operator.world import SETTINGS, World
from warren.payloads import Payloads
from warren.submission import Submitter
from warren.tasks import Payload, Task
from warren_operator.composition import Operator
from warren_operator.figures import Figure

pytestmark = pytest.mark.usefixtures("hurry")


@asynccontextmanager
async def listening(world: World, scrape_seconds: float = 2) -> AsyncIterator[Operator]:
    """Run the operator's ear, with rounds only when the test wants one."""
    operator = Operator(world.ports(), SETTINGS.model_copy(update={"scrape_seconds": scrape_seconds}))
    await operator.resync()
    await operator.pool_round()
    ear = asyncio.create_task(operator.wakes.run())
    await asyncio.sleep(0.01)
    try:
        yield operator
    finally:
        ear.cancel()


async def submit(world: World, count: int = 1) -> None:
    submitter = Submitter(world.broker, world.records, Payloads(world.objects, "warren"))
    for number in range(count):
        await submitter.submit(Task(name="add", pool="cpu", payload=Payload(str(number).encode())))


def wanted(world: World, deployment: str = "consumer") -> int:
    return world.cluster.deployments[deployment].wanted


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the cluster in memory tells nobody
            await asyncio.sleep(0.01)


async def test_a_submitted_task_wakes_the_pool_at_once(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world):
        await submit(world)
        await until(lambda: world.cluster.deployments["consumer"].wanted == 1)


async def test_what_waits_by_then_counts(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1, scraped_at=5.0)
    async with listening(world) as operator:
        await submit(world, 7)
        await operator.wakes.pass_on("cpu")
        assert world.cluster.deployments["consumer"].wanted == 4
        world.clock.advance(2)
        await operator.pool_round()  # the figures still show none
        assert (status(world).ready, status(world).desired_replicas) == (7, 4)


async def test_what_is_under_way_by_then_waits_no_longer(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=0)
    async with listening(world) as operator:
        await submit(world, 2)
        await operator.wakes.pass_on("cpu")
        world.clock.advance(2)
        world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=0)  # the new pod is not scraped yet
        await operator.pool_round()
        assert (status(world).ready, status(world).unacked, status(world).desired_replicas) == (0, 2, 1)


@pytest.mark.parametrize(("scrape_seconds", "late_seconds"), [(2, 10), (30, 90)])
async def test_it_stays_awake_until_figures_can_show_the_task(
    world: World, scrape_seconds: float, late_seconds: float
) -> None:
    create(world, scaleDown={"stabilizationSeconds": 0})
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world, scrape_seconds) as operator:
        await operator.wakes.pass_on("cpu")
        assert status(world).reason == "Woken"
        for _ in range(4):
            world.clock.advance(late_seconds / 5)
            await operator.pool_round()
            assert world.cluster.deployments["consumer"].wanted == 1
        world.clock.advance(late_seconds / 4)
        await operator.pool_round()
        assert world.cluster.deployments["consumer"].wanted == 0


async def test_it_is_woken_while_no_figure_is_known(world: World) -> None:
    create(world)
    world.figures.available = False
    async with listening(world) as operator:
        await operator.wakes.pass_on("cpu")
        assert world.cluster.deployments["consumer"].wanted == 1


async def test_whoever_publishes_to_no_pool_wakes_none(world: World) -> None:
    create(world)
    async with listening(world) as operator:
        await operator.wakes.pass_on("nobody")
        assert world.cluster.deployments["consumer"].wanted == 0


async def test_a_pool_that_is_served_is_left_to_the_rounds(world: World) -> None:
    create(world, minReplicas=1)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1)
    async with listening(world) as operator:
        await operator.pool_round()
        calls = len(world.cluster.notices)
        await submit(world, 9)
        await operator.wakes.pass_on("cpu")
        assert (world.cluster.deployments["consumer"].wanted, len(world.cluster.notices)) == (1, calls)


async def test_it_listens_again_after_the_broker_was_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_operator.wakes._PAUSE_SECONDS", 0.1)
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world):
        await world.broker.lose_connection()
        await asyncio.sleep(0.3)
        await submit(world)
        await until(lambda: world.cluster.deployments["consumer"].wanted == 1)


async def test_what_was_published_before_it_listened_is_found(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await submit(world)
    async with listening(world) as operator:
        assert wanted(world) == 0
        await operator.pool_round()
        assert wanted(world) == 1


async def test_what_was_published_while_it_was_deaf_is_found(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        await operator.pool_round()
        await world.broker.lose_connection()
        await asyncio.sleep(0.01)
        await submit(world)
        await operator.pool_round()
        assert wanted(world) == 0
        await asyncio.sleep(1.2)
        await operator.pool_round()
        assert wanted(world) == 1
