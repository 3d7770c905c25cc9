"""One pool's trouble is not every pool's, and what is gone is left alone."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.operator.held import HeldCluster
from tests.unit.operator.test_pool_life import QUEUE, create, status
from tests.unit.operator.test_wakes import until
from tests.unit.operator.world import World
from warren_operator.cluster import Kind, Scale
from warren_operator.figures import Figure
from warren_operator.pool.reconciler import AT_ONCE

GPU = "warren.tasks.gpu"


@pytest.fixture
def cluster(world: World) -> HeldCluster:
    """Give the world two pools with work; `gpu` is looked at first."""
    held = HeldCluster(world.clock)
    world.cluster = held
    world.restart()
    held.deployments["gpu"] = Scale(0, 0)
    held.create(Kind.CONSUMER_POOL, "gpu", {"queue": GPU, "scaleTargetRef": {"name": "gpu"}})
    create(world)
    world.figures.queues |= {QUEUE: Figure(5, 0, age=1), GPU: Figure(1, 0, age=1)}
    return held


def wanted(cluster: HeldCluster, deployment: str) -> int:
    return cluster.deployments[deployment].wanted


async def test_a_fault_that_nobody_thought_of_stops_no_other_pool(world: World, cluster: HeldCluster) -> None:
    cluster.broken.add("gpu")
    await world.look()
    assert (wanted(cluster, "gpu"), wanted(cluster, "consumer")) == (0, 3)
    cluster.broken.clear()
    await world.look(seconds=2)
    assert wanted(cluster, "gpu") == 1


async def test_a_pool_that_takes_its_time_holds_up_no_other(world: World, cluster: HeldCluster) -> None:
    await world.operator.resync()
    cluster.hold("read", "gpu")
    looking = asyncio.create_task(world.operator.pool_round())
    await cluster.reached.wait()
    await until(lambda: wanted(cluster, "consumer") == 3)
    assert wanted(cluster, "gpu") == 0
    cluster.go_on.set()
    await looking
    assert wanted(cluster, "gpu") == 1


async def test_a_round_without_an_api_server_ends_and_the_next_one_does_all(world: World, cluster: HeldCluster) -> None:
    cluster.away = True
    await world.look()
    assert (wanted(cluster, "gpu"), wanted(cluster, "consumer"), status(world).ready) == (0, 0, None)
    cluster.away = False
    await world.look(seconds=2)
    assert (wanted(cluster, "gpu"), wanted(cluster, "consumer"), status(world).ready) == (1, 3, 5)


async def test_a_pool_that_is_deleted_while_the_round_is_at_others_is_left_alone(
    world: World, cluster: HeldCluster
) -> None:
    cluster.remove(Kind.CONSUMER_POOL, "cpu")
    for number in range(1, AT_ONCE):
        name, advice = f"gpu-{number}", {"scaleTargetRef": {"name": "gpu"}, "adviseOnly": True}
        cluster.create(Kind.CONSUMER_POOL, name, {"queue": GPU, **advice})
    create(world)
    await world.operator.resync()
    cluster.hold("read", "gpu")
    looking = asyncio.create_task(world.operator.pool_round())
    await cluster.reached.wait()
    deleted = cluster.document(Kind.CONSUMER_POOL, "cpu")
    cluster.remove(Kind.CONSUMER_POOL, "cpu")
    world.operator.pools.drop(deleted)
    cluster.go_on.set()
    await looking
    assert (wanted(cluster, "gpu"), wanted(cluster, "consumer")) == (1, 0)


async def test_one_that_is_edited_and_deleted_meanwhile_stops_no_other(world: World, cluster: HeldCluster) -> None:
    await world.operator.resync()
    cluster.edit(Kind.CONSUMER_POOL, "gpu", maxReplicas=2)
    cluster.vanishing = "gpu"
    await world.operator.pool_round()
    assert wanted(cluster, "consumer") == 3
    assert [document["metadata"]["name"] for document in world.operator.pools] == ["cpu"]
