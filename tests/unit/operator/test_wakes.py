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
from warren_operator.cluster import Scale
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
        assert wanted(world)


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
        assert wanted(world)


async def test_late_news_of_what_was_done_wakes_nobody(world: World) -> None:
    """Of the second consumer, which was told to go meanwhile, nothing is heard before its last scrape."""
    create(world, scaleDown={"stabilizationSeconds": 5})
    for second in range(0, 36, 2):
        busy = int(second < 10)
        told = Figure(0, busy, age=1, running=busy, busy={"a": busy}, consumers=1, finished={"a": 1.0 - busy})
        world.figures.queues[QUEUE] = told
        await world.look(seconds=2)
    assert (status(world).service_seconds, wanted(world)) == (9, 0)
    late = {"a": 1.0, "b": 4.0}
    world.figures.queues[QUEUE] = Figure(
        0, 0, age=1, busy=dict.fromkeys(late, 0), consumers=0, leaving=late, finished=late
    )
    await world.look(seconds=2)
    assert (wanted(world), status(world).reason, status(world).arrival_rate) == (0, "Idle", 0.11)
    world.figures.queues[QUEUE] = Figure(1, 0, age=1, consumers=0, finished=late)
    await world.look(seconds=2)
    assert wanted(world)


async def test_a_pool_that_somebody_sets_to_zero_under_load_is_pulled_back_by_its_rate(world: World) -> None:
    """Its tasks are so short that nothing waits or is under way when it is looked at."""
    create(world)
    for second in range(0, 60, 2):
        finished, busy = {"a": 3.0 * second}, {"a": 0.15 * second}
        told = Figure(0, 0, age=1, busy={"a": 0}, consumers=1, finished=finished, busy_seconds=busy)
        world.figures.queues[QUEUE] = told
        world.cluster.deployments["consumer"] = Scale(1, 1)
        await world.look(seconds=2)
    world.cluster.deployments["consumer"] = Scale(0, 0)
    await world.look(seconds=2)
    assert wanted(world) == 1
