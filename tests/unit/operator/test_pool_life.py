"""ConsumerPools on in-memory adapters: the Deployment follows the queue, and the status tells why."""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY

from tests.unit.operator.world import World
from warren.resources import ConsumerPool, ConsumerPoolStatus, parse
from warren_operator.cluster import Kind, Scale
from warren_operator.figures import Figure

QUEUE = "warren.tasks.cpu"


def create(world: World, **changes: Any) -> None:
    world.cluster.deployments["consumer"] = Scale(0, 0)
    world.cluster.create(
        Kind.CONSUMER_POOL,
        "cpu",
        {"queue": QUEUE, "scaleTargetRef": {"name": "consumer"}, "maxReplicas": 5, "concurrency": 2, **changes},
    )


def status(world: World) -> ConsumerPoolStatus:
    return parse(ConsumerPool, world.cluster.document(Kind.CONSUMER_POOL, "cpu")).status


def condition(world: World, kind: str) -> tuple[str, str]:
    return next((found.status, found.reason) for found in status(world).conditions if found.type == kind)


async def test_from_zero_and_back(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 3
    await world.look(seconds=2)
    assert (status(world).ready, status(world).replicas, status(world).desired_replicas) == (5, 3, 3)
    world.figures.queues[QUEUE] = Figure(0, 1, age=1)
    await world.look(seconds=300)
    assert world.cluster.deployments["consumer"].wanted == 3
    assert status(world).reason == "Busy"
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look(seconds=2)
    assert status(world).reason == "Stabilizing"
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 0
    assert [notice.reason for name, notice in world.cluster.notices if name == "cpu"] == ["ScaledBacklog", "ScaledIdle"]


async def test_old_figures_hold(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(3, 3)
    world.figures.queues[QUEUE] = Figure(0, 0, age=6.5)
    await world.look()
    await world.look(seconds=600)
    assert world.cluster.deployments["consumer"].wanted == 3
    assert condition(world, "MetricsAvailable") == ("False", "MetricsUnknown")
    assert status(world).ready is None


async def test_no_figures_hold_and_an_outage_starts_the_stabilization_anew(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(3, 3)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    world.figures.available = False
    await world.look(seconds=100)
    assert condition(world, "MetricsAvailable") == ("False", "MetricsUnknown")
    world.figures.available = True
    await world.look(seconds=1)
    assert world.cluster.deployments["consumer"].wanted == 3
    await world.look(seconds=60)
    assert world.cluster.deployments["consumer"].wanted == 0


async def test_a_restarted_operator_does_not_take_its_ignorance_for_idleness(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(3, 3)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    await world.restart().look(seconds=100)
    assert world.cluster.deployments["consumer"].wanted == 3


async def test_a_missing_deployment_is_told(world: World) -> None:
    create(world)
    del world.cluster.deployments["consumer"]
    await world.look()
    assert condition(world, "TargetFound") == ("False", "DeploymentNotFound")
    assert "'consumer'" in status(world).message
    world.cluster.deployments["consumer"] = Scale(0, 0)
    await world.look(seconds=2)
    assert condition(world, "TargetFound") == ("True", "DeploymentFound")


async def test_advice_leaves_the_deployment_alone(world: World) -> None:
    create(world, adviseOnly=True)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 0
    assert (status(world).replicas, status(world).desired_replicas) == (0, 3)


async def test_scaled_by_hand_it_is_pulled_back_within_its_bounds(world: World) -> None:
    create(world, minReplicas=1)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 1
    world.cluster.deployments["consumer"] = Scale(50, 50)
    await world.look(seconds=2)
    assert world.cluster.deployments["consumer"].wanted == 5


async def test_the_status_is_written_only_when_it_changes(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    await world.look(seconds=2)
    before = world.cluster.document(Kind.CONSUMER_POOL, "cpu")["metadata"]["resourceVersion"]
    for _ in range(10):
        await world.look(seconds=2)
    assert world.cluster.document(Kind.CONSUMER_POOL, "cpu")["metadata"]["resourceVersion"] == before


async def test_one_pool_that_cannot_be_read_stops_no_other(world: World) -> None:
    world.cluster.create(Kind.CONSUMER_POOL, "odd", {"queue": QUEUE})
    create(world)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 3


async def test_a_pool_that_is_gone_leaves_no_series(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    labels = {"pool": "cpu", "queue": QUEUE}
    assert REGISTRY.get_sample_value("warren_operator_pool_desired_replicas", labels) == 3
    world.cluster.remove(Kind.CONSUMER_POOL, "cpu")
    await world.look(seconds=2)
    assert REGISTRY.get_sample_value("warren_operator_pool_desired_replicas", labels) is None
