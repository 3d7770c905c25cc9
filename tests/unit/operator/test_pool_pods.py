"""The pods of a pool: the idle ones go first, and one that finds no node is told of."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.world import World
from warren.resources import PAUSED
from warren_operator.cluster import Kind, Pod, Scale
from warren_operator.figures import Figure
from warren_operator.pool.crew import complained, ranked

SELECTOR = "app=consumer"
SCHEDULER = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."


def crew(world: World, *pods: Pod) -> None:
    world.cluster.deployments["consumer"] = Scale(len(pods), len(pods), SELECTOR)
    world.cluster.crews[SELECTOR] = {pod.name: pod for pod in pods}


def costs(world: World) -> dict[str, str | None]:
    return {name: pod.cost for name, pod in world.cluster.crews[SELECTOR].items()}


async def test_those_that_work_cost_more(world: World) -> None:
    create(world, concurrency=4)
    crew(world, Pod("a", "10.0.0.1"), Pod("b", "10.0.0.2", cost="4"), Pod("c", "10.0.0.3"), Pod("d"))
    busy = {"10.0.0.1:8001": 3, "10.0.0.2:8001": 0, "10.0.0.3:8001": 1}
    world.figures.queues[QUEUE] = Figure(0, 4, age=1, running=4, consumers=3, busy=busy)
    await world.look()
    assert costs(world) == {"a": None, "b": "4", "c": None, "d": None}
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 1
    assert costs(world) == {"a": "3", "b": "0", "c": "1", "d": "4"}


@pytest.mark.parametrize("busy", [{}, {"10.0.0.1:8001": 2}])
async def test_nothing_is_written_where_nobody_tells_or_none_stays(world: World, busy: Mapping[str, int]) -> None:
    create(world)
    crew(world, Pod("a", "10.0.0.1"), Pod("b", "10.0.0.2"))
    work = 1 if not busy else 0
    world.figures.queues[QUEUE] = Figure(0, work, age=1, busy=busy)
    await world.look()
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == (1 if work else 0)
    assert costs(world) == {"a": None, "b": None}


async def test_what_they_do_right_now_counts_not_what_was_scraped(world: World) -> None:
    """Since the scrape `a` has ended its task and `b` has begun one; `c` does not answer, nor was it scraped."""
    create(world, concurrency=4)
    crew(world, *(Pod(name, f"10.0.0.{number}", metrics_port=8001) for number, name in enumerate("abcd", 1)))
    busy = {"10.0.0.1:8001": 1, "10.0.0.2:8001": 0, "10.0.0.4:8001": 2}
    world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=4, busy=busy)
    await world.look()
    assert not world.consumers.asked
    world.consumers.tasks |= {"10.0.0.1:8001": 0, "10.0.0.2:8001": 1}
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 1
    assert costs(world) == {"a": "0", "b": "1", "c": "4", "d": "2"}


async def test_costs_of_an_earlier_scale_down_are_put_right(world: World) -> None:
    """Without a figure of Prometheus, too: a pod that was idle then, one that was busy, and one that is new."""
    create(world, concurrency=4, scaleDown={"stabilizationSeconds": 0})
    crew(
        world,
        Pod("a", "10.0.0.1", "", "0", 8001),
        Pod("b", "10.0.0.2", "", "4", 8001),
        Pod("c", "10.0.0.3", "", None, 8001),
    )
    world.figures.queues[QUEUE] = Figure(0, 3, age=1, instead="Prometheus is away")
    world.consumers.tasks |= {"10.0.0.1:8001": 3, "10.0.0.2:8001": 0, "10.0.0.3:8001": 0}
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 1
    assert costs(world) == {"a": "3", "b": "0", "c": "0"}


async def test_costs_that_nobody_can_confirm_any_longer_are_evened_out(world: World) -> None:
    create(world, concurrency=4, scaleDown={"stabilizationSeconds": 0})
    crew(
        world,
        Pod("a", "10.0.0.1", "", "0", 8001),
        Pod("b", "10.0.0.2", "", "4", 8001),
        Pod("c", "10.0.0.3", "", None, 8001),
    )
    world.figures.queues[QUEUE] = Figure(0, 9, age=1, running=9, consumers=3, busy={"10.0.0.1:8001": 0})
    await world.look()
    world.figures.queues[QUEUE] = Figure(0, 3, age=1, instead="Prometheus is away")
    await world.look(seconds=2)
    assert world.cluster.deployments["consumer"].wanted == 1
    assert costs(world) == {"a": "4", "b": "4", "c": "4"}


async def test_who_is_held_to_fewer_without_figures_is_asked_as_well(world: World) -> None:
    create(world)
    crew(world, Pod("a", "10.0.0.1", metrics_port=8001), Pod("b", "10.0.0.2", metrics_port=8001))
    world.figures.available = False
    world.consumers.tasks |= {"10.0.0.1:8001": 1, "10.0.0.2:8001": 0}
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: "1"})
    await world.look()
    assert costs(world) == {"a": "1", "b": "0"}


async def test_workers_of_others_are_not_asked(world: World) -> None:
    create(world, queue="celery", target={"tasksPerReplica": 1}, scaleDown={"stabilizationSeconds": 0})
    crew(world, Pod("a", "10.0.0.1", metrics_port=9808), Pod("b", "10.0.0.2", metrics_port=9808))
    world.figures.queues["celery"] = Figure(0, 1, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 1
    assert (world.consumers.asked, costs(world)) == ([], {"a": None, "b": None})


def test_where_a_pod_tells_its_metrics() -> None:
    assert Pod("a", "10.0.0.1", metrics_port=8001).endpoint == "10.0.0.1:8001"
    assert Pod("a", "fd00::1", metrics_port=8001).endpoint == "[fd00::1]:8001"
    assert not Pod("a", metrics_port=8001).endpoint
    assert not Pod("a", "10.0.0.1").endpoint


def test_pods_are_known_by_their_address_or_their_name() -> None:
    pods = [Pod("a", "10.0.0.1"), Pod("b", "fd00::1"), Pod("c")]
    assert ranked(pods, {"10.0.0.1:80": 1, "[fd00::1]:80": 2, "c:80": 3}, 9) == {"a": 1, "b": 2, "c": 3}


async def test_a_pod_that_goes_by_itself_meanwhile_stops_nothing(world: World) -> None:
    create(world)
    crew(world, Pod("a", "10.0.0.1"), Pod("b", "10.0.0.2"), Pod("c", "10.0.0.3"))
    listed = world.cluster.pods_of

    async def pods_of(selector: str) -> list[Pod]:
        found = await listed(selector)
        world.cluster.crews[SELECTOR].pop("b", None)
        return found

    world.cluster.pods_of = pods_of  # type: ignore[method-assign]
    world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=3, busy={"10.0.0.1:8001": 1})
    await world.look()
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 1
    assert costs(world) == {"a": "1", "c": "2"}


async def test_the_schedulers_words_are_told_until_all_are_up(world: World) -> None:
    create(world)
    crew(world, Pod("a", "10.0.0.1"), Pod("b", unschedulable=SCHEDULER))
    world.figures.queues[QUEUE] = Figure(3, 1, age=1, running=1, consumers=1)
    await world.look()
    assert condition(world, "Limited") == ("True", "Unschedulable")
    told = next(one.message for one in status(world).conditions if one.type == "Limited")
    assert told == f"1 pod(s), b for one, find no node: {SCHEDULER}"
    assert [notice.type for name, notice in world.cluster.notices if notice.reason == "Unschedulable"] == ["Warning"]
    world.figures.queues[QUEUE] = Figure(1, 2, age=1, running=2, consumers=2)
    await world.look(seconds=2)
    assert condition(world, "Limited") == ("False", "WithinBounds")
    assert world.cluster.notices[-1][1].type == "Normal"


async def test_the_pods_are_not_listed_in_every_round(world: World) -> None:
    create(world)
    crew(world, Pod("a", unschedulable=SCHEDULER))
    world.figures.queues[QUEUE] = Figure(1, 0, age=1)
    await world.look()
    world.cluster.crews[SELECTOR]["a"] = Pod("a", "10.0.0.1")
    await world.look(seconds=8)
    assert condition(world, "Limited") == ("True", "Unschedulable")
    await world.look(seconds=2)
    assert condition(world, "Limited") == ("False", "WithinBounds")


def test_nobody_complains() -> None:
    assert not complained([Pod("a", "10.0.0.1")])


async def test_a_condition_that_turns_is_an_event(world: World) -> None:
    create(world)
    world.figures.available = False
    await world.look()
    world.figures.available = True
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look(seconds=2)
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {"warren.dev/paused-replicas": "0"})
    await world.look(seconds=2)
    await world.look(seconds=2)
    assert [(notice.type, notice.reason) for _, notice in world.cluster.notices] == [
        ("Warning", "MetricsUnknown"),
        ("Normal", "Fresh"),
        ("Warning", "Paused"),
    ]
