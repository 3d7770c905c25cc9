"""A pool's conditions say what is so: no more than is known, and of what is really there."""

from __future__ import annotations

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.test_pool_pods import SCHEDULER, crew
from tests.unit.operator.world import World
from warren.resources import PAUSED
from warren_operator.cluster import Kind, Pod, Scale
from warren_operator.figures import Figure

UNTAKEN = Figure(5, 0, age=1)
UNKNOWN = ("Unknown", "MetricsUnknown")


def message(world: World, kind: str) -> str:
    return next(one.message for one in status(world).conditions if one.type == kind)


def turns(world: World) -> list[tuple[str, str]]:
    """Return the Events but those of scaling."""
    notices = [notice for _, notice in world.cluster.notices]
    return [(notice.type, notice.reason) for notice in notices if not notice.reason.startswith("Scaled")]


async def test_a_time_without_figures_is_no_time_in_which_nobody_took_a_task(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = UNTAKEN
    await world.look()
    await world.look(seconds=2)
    world.figures.available = False
    for _ in range(10):
        await world.look(seconds=20)
        assert condition(world, "Stalled") == UNKNOWN
    world.figures.available = True
    await world.look(seconds=2)
    assert condition(world, "Stalled") == ("False", "Working")
    await world.look(seconds=59)
    assert condition(world, "Stalled") == ("True", "NobodyTakesTasks")
    assert turns(world) == [("Warning", "MetricsUnknown"), ("Normal", "Fresh"), ("Warning", "NobodyTakesTasks")]


async def test_more_than_the_most_for_the_work_is_a_limit_and_for_the_spare_it_is_none(world: World) -> None:
    create(world, spareSlots=4)
    world.figures.queues[QUEUE] = Figure(10, 0, age=1)
    await world.look()
    assert (status(world).desired_replicas, status(world).reason) == (5, "Backlog")
    assert condition(world, "Limited") == ("False", "WithinBounds")
    world.figures.queues[QUEUE] = Figure(11, 0, age=1)
    await world.look(seconds=2)
    assert condition(world, "Limited") == ("True", "AtMaximum")


async def test_it_is_a_limit_too_while_more_than_the_most_are_there(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(50, 0, age=1)
    world.cluster.deployments["consumer"] = Scale(9, 9)
    await world.look()
    assert status(world).reason == "AboveMaximum"
    assert condition(world, "Limited") == ("True", "AtMaximum")
    world.cluster.deployments["consumer"] = Scale(9, 9)
    world.figures.queues[QUEUE] = Figure(1, 0, age=1)
    await world.look(seconds=2)
    assert status(world).reason == "AboveMaximum"
    assert condition(world, "Limited") == ("False", "WithinBounds")


async def test_whether_it_is_limited_is_not_known_without_figures(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(50, 0, age=1)
    await world.look()
    world.figures.available = False
    await world.look(seconds=2)
    assert condition(world, "Limited") == UNKNOWN


async def test_the_schedulers_words_go_with_the_pods_that_they_were_about(world: World) -> None:
    create(world, scaleDown={"stabilizationSeconds": 0})
    crew(world, Pod("a", "10.0.0.1"), Pod("b", unschedulable=SCHEDULER))
    world.figures.queues[QUEUE] = Figure(3, 1, age=1, running=1, consumers=1)
    await world.look()
    assert condition(world, "Limited") == ("True", "Unschedulable")
    crew(world, Pod("a", "10.0.0.1"))
    world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=1)
    await world.look(seconds=2)
    await world.look(seconds=2)
    assert condition(world, "Limited") == ("False", "WithinBounds")
    assert turns(world) == [("Warning", "Unschedulable"), ("Normal", "WithinBounds")]


async def test_advice_makes_nobody_active(world: World) -> None:
    create(world, adviseOnly=True)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert condition(world, "Active") == ("False", "AdviseOnly")
    assert "3 are advised" in message(world, "Active")
    world.cluster.deployments["consumer"] = Scale(1, 1)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look(seconds=100)
    assert condition(world, "Active") == ("True", "Awake")


@pytest.mark.parametrize("wish", ["none", "-1", "2.5", "", "99999999999"])
async def test_a_pause_that_says_no_number_changes_nothing_and_says_so(world: World, wish: str) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(2, 2)
    world.figures.queues[QUEUE] = Figure(50, 0, age=1)
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: wish})
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 2
    assert condition(world, "Limited") == ("True", "Paused")
    assert f"{wish!r}, which is no number of replicas" in message(world, "Limited")
    assert condition(world, "Active") == ("True", "Awake")


@pytest.mark.parametrize("wish", ["9" * 5000, "x" * 200_000], ids=["digits", "letters"])
async def test_a_pause_that_says_far_too_much_is_told_in_part(world: World, wish: str) -> None:
    """Python reads no number of so many digits, and the API server takes no message of 32 KiB."""
    create(world)
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: wish})
    await world.look()
    assert f"'{wish[:40]}...', which is no number of replicas" in message(world, "Limited")


async def test_a_pool_that_is_held_at_none_is_not_said_to_wake(world: World) -> None:
    create(world)
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: "0"})
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert condition(world, "Active") == ("False", "Paused")
    assert "holds" in message(world, "Active")


async def test_the_wait_is_that_for_those_that_are_up(world: World) -> None:
    """It was told as if all ten that are wanted were there."""
    create(world, maxReplicas=10)
    world.cluster.deployments["consumer"] = Scale(1, 1)
    for second in range(0, 80, 2):
        told = Figure(0, 1, age=1, running=1, consumers=1, finished={"a": 5.0 * second})
        world.figures.queues[QUEUE] = told
        await world.look(seconds=2)
    assert (status(world).service_seconds, status(world).estimated_wait_seconds) == (0.2, 0)
    world.figures.queues[QUEUE] = Figure(500, 1, age=1, running=1, consumers=1, finished={"a": 400.0})
    await world.look(seconds=2)
    assert status(world).desired_replicas == 10
    # 10/s of the one for the 15 s that a pod is believed to take, then 100/s of all.
    assert status(world).estimated_wait_seconds == pytest.approx(15 + (500 - 150) / 100, rel=0.1)
