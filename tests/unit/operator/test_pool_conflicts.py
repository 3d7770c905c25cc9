"""Several ConsumerPools that name one Deployment: the eldest scales it, and the others say so."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.world import World
from warren.resources import ConsumerPool, ConsumerPoolStatus, parse
from warren_operator.cluster import Kind, Scale
from warren_operator.figures import Figure

BUSY, EMPTY = "warren.tasks.cpu", "warren.tasks.gpu"


def create(world: World, name: str, queue: str, **changes: Any) -> None:
    spec = {"queue": queue, "scaleTargetRef": {"name": "consumer"}, "scaleDown": {"stabilizationSeconds": 0}, **changes}
    world.cluster.create(Kind.CONSUMER_POOL, name, spec)


def status(world: World, name: str) -> ConsumerPoolStatus:
    return parse(ConsumerPool, world.cluster.document(Kind.CONSUMER_POOL, name)).status


def stalled(world: World, name: str) -> tuple[str, str, str]:
    found = next(one for one in status(world, name).conditions if one.type == "Stalled")
    return found.status, found.reason, found.message


def wanted(world: World) -> int:
    return world.cluster.deployments["consumer"].wanted


def scalings(world: World) -> int:
    return sum(notice.reason.startswith("Scaled") for _, notice in world.cluster.notices)


def prepare(world: World) -> None:
    world.cluster.deployments["consumer"] = Scale(0, 0)
    world.figures.queues |= {BUSY: Figure(3, 0, age=1), EMPTY: Figure(0, 0, age=1)}


async def test_the_eldest_scales_and_the_other_names_it(world: World) -> None:
    prepare(world)
    create(world, "z-elder", BUSY)
    world.clock.advance(2)
    create(world, "a-younger", EMPTY)
    for _ in range(10):
        await world.look(seconds=2)
    assert (wanted(world), scalings(world)) == (3, 1)
    assert stalled(world, "z-elder")[:2] == ("False", "Working")
    told = stalled(world, "a-younger")
    assert told[:2] == ("True", "TargetConflict")
    assert "'z-elder'" in told[2]
    assert (status(world, "a-younger").reason, status(world, "a-younger").ready) == ("TargetConflict", 0)
    assert [notice.reason for name, notice in world.cluster.notices if name == "a-younger"] == ["TargetConflict"]


async def test_of_one_age_the_first_by_name_does_until_it_is_gone(world: World) -> None:
    prepare(world)
    create(world, "b", EMPTY)
    create(world, "a", BUSY)
    await world.look()
    assert (wanted(world), stalled(world, "b")[:2]) == (3, ("True", "TargetConflict"))
    world.cluster.remove(Kind.CONSUMER_POOL, "a")
    await world.look(seconds=2)
    await world.look(seconds=2)
    assert (wanted(world), stalled(world, "b")[:2]) == (0, ("False", "Working"))


async def test_one_that_only_advises_is_in_nobodys_way(world: World) -> None:
    prepare(world)
    create(world, "a", EMPTY, adviseOnly=True)
    world.clock.advance(2)
    create(world, "b", BUSY)
    await world.look()
    assert (wanted(world), stalled(world, "a")[0], stalled(world, "b")[0]) == (3, "False", "False")
