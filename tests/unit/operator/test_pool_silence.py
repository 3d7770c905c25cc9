"""Consumers whose own figures are gone while the broker's are fresh: what is not known is not zero."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.test_pool_pods import SELECTOR
from tests.unit.operator.world import World
from warren_operator.cluster import Pod, Scale
from warren_operator.figures import Figure

IMPATIENT = {"stabilizationSeconds": 0}
TELLING = Figure(0, 6, age=1, running=6, consumers=3, busy={f"10.0.0.{number}:8001": 2 for number in range(3)})
FRESH = ("True", "Fresh")


@pytest.fixture
async def told(world: World) -> World:
    """Give a world with three busy consumers that tell of themselves."""
    create(world, scaleDown=IMPATIENT)
    world.cluster.deployments["consumer"] = Scale(3, 3, SELECTOR)
    be_ready(world, 3)
    world.figures.queues[QUEUE] = TELLING
    await world.look()
    return world


def be_ready(world: World, count: int) -> None:
    world.cluster.crews[SELECTOR] = {str(number): Pod(str(number), ready=number < count) for number in range(3)}


def wanted(world: World) -> int:
    return world.cluster.deployments["consumer"].wanted


def tell(world: World, ready: int, unacked: int) -> None:
    """Let the broker alone tell."""
    world.figures.queues[QUEUE] = Figure(ready, unacked, age=1)


async def test_none_goes_while_ready_pods_tell_nothing(told: World) -> None:
    """The broker believes that nobody works: so it does of a training whose delivery it has given up."""
    tell(told, 0, 0)
    for _ in range(5):
        await told.look(seconds=20)
    assert (wanted(told), status(told).reason) == (3, "ConsumersUnknown")
    assert condition(told, "MetricsAvailable") == ("False", "ConsumersUnknown")
    told.figures.queues[QUEUE] = replace(TELLING, unacked=0, running=0, busy={}, consumers=3)
    await told.look(seconds=2)
    assert condition(told, "MetricsAvailable") == FRESH
    await told.look(seconds=2)
    assert wanted(told) == 0
    reasons = [notice.reason for _, notice in told.cluster.notices if "Unknown" in notice.reason]
    assert reasons == ["ConsumersUnknown"]


async def test_tasks_under_way_are_a_sign_of_consumers_as_well(told: World) -> None:
    be_ready(told, 0)
    tell(told, 0, 1)
    await told.look(seconds=2)
    assert wanted(told) == 3


async def test_a_hiccup_holds_but_is_not_told(told: World) -> None:
    tell(told, 0, 0)
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (3, FRESH)
    await told.look(seconds=7)
    assert condition(told, "MetricsAvailable") == ("False", "ConsumersUnknown")


async def test_more_are_started_all_the_same(told: World) -> None:
    tell(told, 4, 6)
    await told.look(seconds=2)
    assert (wanted(told), status(told).reason) == (5, "Backlog")


async def test_pods_that_all_crash_are_none(told: World) -> None:
    be_ready(told, 0)
    tell(told, 0, 0)
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (0, FRESH)


async def test_a_pool_that_sleeps_and_wakes_is_not_silent(told: World) -> None:
    told.cluster.deployments["consumer"] = Scale(0, 0, SELECTOR)
    be_ready(told, 0)
    tell(told, 0, 0)
    await told.look(seconds=30)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (0, FRESH)
    tell(told, 3, 0)
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (2, FRESH)
    be_ready(told, 1)
    tell(told, 0, 1)  # it has begun before it was scraped
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (1, FRESH)


async def test_a_new_process_does_not_forget_that_they_told(told: World) -> None:
    tell(told, 0, 0)
    for _ in range(5):
        await told.look(seconds=20)
    told.restart()
    for _ in range(5):
        await told.look(seconds=20)
    assert (wanted(told), status(told).reason) == (3, "ConsumersUnknown")


async def test_a_new_process_knows_it_by_what_they_told_as_well(world: World) -> None:
    create(world, scaleDown=IMPATIENT, maxReplicas=3)
    world.cluster.deployments["consumer"] = Scale(3, 3, SELECTOR)
    be_ready(world, 3)
    for done in (1.0, 2.0):
        world.figures.queues[QUEUE] = replace(TELLING, finished={"10.0.0.1:8001": done})
        await world.look(seconds=2)
    tell(world, 0, 0)
    await world.restart().look(seconds=2)
    assert (wanted(world), status(world).reason) == (3, "ConsumersUnknown")


async def test_what_a_part_of_them_tells_is_not_all(told: World) -> None:
    """One is heard, and idle; the others work on what the broker has given up."""
    told.figures.queues[QUEUE] = replace(TELLING, unacked=6, running=0, busy={}, consumers=1)
    for _ in range(5):
        await told.look(seconds=2)
    told.figures.queues[QUEUE] = replace(TELLING, unacked=0, running=0, busy={}, consumers=1)
    for _ in range(5):
        await told.look(seconds=2)
    assert (wanted(told), status(told).reason) == (3, "ConsumersUnknown")
    assert condition(told, "MetricsAvailable") == ("False", "ConsumersUnknown")
    told.figures.queues[QUEUE] = replace(TELLING, unacked=0, running=0, busy={}, consumers=2, leaving={"10.0.0.0:8001"})
    await told.look(seconds=2)
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (0, FRESH)


async def test_a_pod_that_has_just_come_up_is_not_silent(told: World) -> None:
    """It is ready before it is scraped."""
    told.figures.queues[QUEUE] = replace(TELLING, consumers=2)
    await told.look(seconds=2)
    await told.look(seconds=9)
    assert condition(told, "MetricsAvailable") == FRESH
    told.figures.queues[QUEUE] = replace(TELLING, running=2, unacked=2, busy={"10.0.0.1:8001": 2})
    await told.look(seconds=2)
    assert (wanted(told), condition(told, "MetricsAvailable")) == (1, FRESH)


async def test_workers_of_others_never_told(world: World) -> None:
    create(world, scaleDown=IMPATIENT, target={"tasksPerReplica": 2})
    world.cluster.deployments["consumer"] = Scale(3, 3, SELECTOR)
    be_ready(world, 3)
    tell(world, 0, 1)
    await world.look()
    assert (wanted(world), condition(world, "MetricsAvailable")) == (1, FRESH)
