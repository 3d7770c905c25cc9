"""Gaps in what is known of a pool: a look without its consumers, a new process, another queue. A gap is no news."""

from __future__ import annotations

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.test_pool_pods import SELECTOR
from tests.unit.operator.world import SETTINGS, World
from warren_operator.cluster import Kind, Pod, Scale
from warren_operator.composition import Operator
from warren_operator.figures import Figure

UP = 11
GPU = "warren.tasks.gpu"


def be_there(world: World, count: int) -> None:
    world.cluster.deployments["consumer"] = Scale(count, count, SELECTOR)
    world.cluster.crews[SELECTOR] = {str(number): Pod(str(number), ready=True) for number in range(count)}


async def work(world: World, *, ready: int = 0, wait: int = 300, seconds: float = 1.0) -> None:
    """Let eleven single slots do what arrives for two minutes; so many wait, for whom the target has room."""
    create(world, concurrency=1, maxReplicas=100, target={"waitSeconds": wait}, scaleDown={"stabilizationSeconds": 10})
    be_there(world, UP)
    for second in range(0, 120, 2):
        finished = {f"10.0.0.{number}:8001": second / seconds for number in range(UP)}
        busy, taken = dict.fromkeys(finished, 1), dict.fromkeys(finished, float(second))
        figure = Figure(ready, UP, age=1, running=UP, consumers=UP, busy=busy, finished=finished, busy_seconds=taken)
        world.figures.queues[QUEUE] = figure
        await world.look(seconds=2)


def wanted(world: World) -> int:
    return world.cluster.deployments["consumer"].wanted


async def test_a_look_without_the_consumers_is_no_reason_for_more(world: World) -> None:
    await work(world, ready=500)
    before = wanted(world)
    assert before < 2 * UP
    world.figures.queues[QUEUE] = Figure(500, UP, age=1)
    for _ in range(5):
        await world.look(seconds=2)
        assert wanted(world) == before


async def test_a_new_process_with_a_backlog_is_no_reason_for_more(world: World) -> None:
    await work(world, ready=500)
    before = wanted(world)
    await world.restart().look(seconds=2)
    assert wanted(world) == before


async def test_the_first_task_of_a_pool_that_woke_is_no_reason_for_more(world: World) -> None:
    """It is taken before the pod that took it is scraped."""
    await work(world, wait=60, seconds=0.5)
    be_there(world, 0)
    for _ in range(40):
        world.figures.queues[QUEUE] = Figure(0, 0, age=1)
        await world.look(seconds=2)
    world.figures.queues[QUEUE] = Figure(100, 0, age=1)
    await world.look(seconds=2)
    woken = wanted(world)
    assert 0 < woken < 5
    be_there(world, woken)
    for _ in range(4):
        world.figures.queues[QUEUE] = Figure(99, 1, age=1)
        await world.look(seconds=2)
        assert wanted(world) == woken
        assert (status(world).reason, condition(world, "MetricsAvailable")) == ("Backlog", ("True", "Fresh"))


async def test_what_the_first_pod_that_woke_did_before_it_was_scraped_says_how_long_tasks_take(world: World) -> None:
    await work(world, seconds=0.5)
    be_there(world, 0)
    for _ in range(40):
        world.figures.queues[QUEUE] = Figure(0, 0, age=1)
        await world.look(seconds=2)
    new = {"10.0.0.20:8001": 2}
    finished, taken = dict.fromkeys(new, 1000.0), dict.fromkeys(new, 100.0)
    figure = Figure(0, 2, age=1, running=2, consumers=1, busy=new, finished=finished, busy_seconds=taken)
    world.figures.queues[QUEUE] = figure
    await world.look(seconds=2)
    assert status(world).service_seconds == pytest.approx((100 + 100) / 1200, rel=0.1)


async def test_what_ended_before_anybody_worked_on_it_arrived_as_well(world: World) -> None:
    """16/s are done, 84/s expire: more consumers would do them in time."""
    create(world)
    be_there(world, 1)
    for second in range(0, 120, 2):
        finished, dropped = {"10.0.0.0:8001": 16.0 * second}, {"10.0.0.0:8001": 84.0 * second}
        world.figures.queues[QUEUE] = Figure(50, 2, age=1, running=2, consumers=1, finished=finished, dropped=dropped)
        await world.look(seconds=2)
    assert (status(world).arrival_rate, status(world).service_seconds) == (100, 0.12)


@pytest.mark.parametrize("late", [0, 0.8])
async def test_looks_between_two_scrapes_are_no_news(world: World, late: float) -> None:
    """An answer that took `late` seconds tells of an older scrape than it says."""
    world.operator = Operator(world.ports(), SETTINGS.model_copy(update={"scrape_seconds": 30}))
    create(world, concurrency=1, maxReplicas=100, target={"waitSeconds": 5})
    be_there(world, UP)
    for second in range(0, 300, 2):
        scraped = second - second % 30
        finished = {f"10.0.0.{number}:8001": float(scraped) for number in range(UP)}
        busy = dict.fromkeys(finished, 1)
        age = max(0.0, second - scraped - (late if second % 10 == 0 else 0))
        figure = Figure(0, UP, age, UP, busy, UP, finished=finished, scraped_at=scraped)
        world.figures.queues[QUEUE] = figure
        await world.look(seconds=2)
        assert UP <= wanted(world) <= UP + 4


async def test_another_queue_is_another_history(world: World) -> None:
    await work(world)
    figure = world.figures.queues[QUEUE]
    world.cluster.create(Kind.CONSUMER_POOL, "gpu", {"queue": GPU, "scaleTargetRef": {"name": "gpu"}})
    world.figures.queues[GPU] = Figure(0, 1, age=1, running=1, consumers=1, finished={"10.0.1.0:8001": 0.0})
    await world.look(seconds=2)
    world.figures.queues[GPU] = Figure(0, 1, age=1, running=1, consumers=1, finished={"10.0.1.0:8001": 1e6})
    await world.look(seconds=2)
    assert status(world).service_seconds is not None
    world.cluster.edit(Kind.CONSUMER_POOL, "cpu", queue=GPU)
    for _ in range(2):
        await world.look(seconds=2)
    assert (status(world).arrival_rate, status(world).service_seconds) == (0, None)
    world.cluster.edit(Kind.CONSUMER_POOL, "cpu", queue=QUEUE)
    world.figures.queues[QUEUE] = figure
    await world.look(seconds=2)
    assert (status(world).arrival_rate, status(world).service_seconds) == (None, None)
