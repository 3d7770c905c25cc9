"""ConsumerPools on in-memory adapters: the Deployment follows the queue, and the status tells why."""

from __future__ import annotations

from typing import Any

import pytest
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
    await world.look(seconds=50)
    assert world.cluster.deployments["consumer"].wanted == 3
    assert status(world).reason == "Stabilizing"
    await world.look(seconds=60)
    assert world.cluster.deployments["consumer"].wanted == 1
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look(seconds=2)
    assert status(world).reason == "Stabilizing"
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 0
    assert [notice.reason for name, notice in world.cluster.notices if name == "cpu"] == [
        "ScaledBacklog",
        "ScaledBacklog",
        "ScaledIdle",
    ]


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
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    del world.cluster.deployments["consumer"]
    await world.look()
    assert condition(world, "Stalled") == ("True", "DeploymentNotFound")
    assert "'consumer'" in status(world).message
    world.cluster.deployments["consumer"] = Scale(0, 0)
    await world.look(seconds=2)
    assert condition(world, "Stalled") == ("False", "Working")


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


async def test_fewer_at_most_are_fewer_at_once(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(10, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 5
    world.cluster.edit(Kind.CONSUMER_POOL, "cpu", maxReplicas=2)
    await world.look(seconds=2)
    assert (world.cluster.deployments["consumer"].wanted, status(world).reason) == (2, "AboveMaximum")


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


async def test_a_pool_that_a_newer_release_described_is_scaled_by_what_is_known_of_it(world: World) -> None:
    create(world, colour="red", target={"waitSeconds": 5, "percentile": 99})
    document = world.cluster.document(Kind.CONSUMER_POOL, "cpu")
    newer = {"type": "Warm", "status": "Soon", "reason": "Forecast", "lastTransitionTime": "2026-11-21T10:00:00Z"}
    await world.cluster.write_status(
        Kind.CONSUMER_POOL, document, {"replicas": 0, "forecast": {"replicas": 7}} | {"conditions": [newer]}
    )
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    assert (world.cluster.deployments["consumer"].wanted, status(world).desired_replicas) == (3, 3)


async def test_a_pool_that_is_gone_or_has_no_deployment_leaves_no_series(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    labels = {"pool": "cpu", "queue": QUEUE}
    assert REGISTRY.get_sample_value("warren_operator_pool_desired_replicas", labels) == 3
    deployment = world.cluster.deployments.pop("consumer")
    await world.look(seconds=2)
    assert REGISTRY.get_sample_value("warren_operator_pool_metrics_available", labels) is None
    world.cluster.deployments["consumer"] = deployment
    await world.look(seconds=2)
    assert REGISTRY.get_sample_value("warren_operator_pool_desired_replicas", labels) == 3
    world.cluster.remove(Kind.CONSUMER_POOL, "cpu")
    await world.look(seconds=2)
    assert REGISTRY.get_sample_value("warren_operator_pool_desired_replicas", labels) is None


async def serve(world: World, *, seconds: int, rate: float) -> None:
    """Two consumers with two slots each finish what arrives, 0.1 s each."""
    before = world.figures.queues[QUEUE].finished.get("a", 0.0) if QUEUE in world.figures.queues else 0.0
    for second in range(0, seconds, 2):
        half = before + rate / 2 * second
        world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=2, finished={"a": half, "b": half})
        await world.look(seconds=2)


async def test_the_status_tells_the_figures_and_a_new_process_goes_on_from_them(world: World) -> None:
    create(world, minReplicas=2)
    await serve(world, seconds=80, rate=10)
    told = status(world)
    assert (told.arrival_rate, told.service_seconds, told.estimated_wait_seconds) == (10, 0.1, 0)
    world.restart()
    world.figures.queues[QUEUE] = Figure(60, 0, age=1, consumers=2)
    await world.look(seconds=2)
    assert status(world).estimated_wait_seconds == 1.4
    assert status(world).reason == "Backlog"


@pytest.mark.parametrize(("telling", "seconds"), [("ab", 0.02), ("a", 0.1)])
async def test_how_long_tasks_take_is_exact_once_all_consumers_tell(world: World, telling: str, seconds: float) -> None:
    """Each look happens to find a task under way in one of two consumers, which are idle most of the time."""
    create(world, minReplicas=2)
    for second in range(0, 80, 2):
        world.figures.queues[QUEUE] = Figure(
            0,
            1,
            age=1,
            running=1,
            busy={"a": 1, "b": 0},
            consumers=2,
            finished=dict.fromkeys("ab", 5.0 * second),
            busy_seconds=dict.fromkeys(telling, 0.1 * second),
        )
        await world.look(seconds=2)
    assert status(world).service_seconds == pytest.approx(seconds)


async def test_a_paused_pool_keeps_its_count(world: World) -> None:
    create(world)
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {"warren.dev/paused-replicas": "2"})
    world.figures.queues[QUEUE] = Figure(50, 0, age=1)
    await world.look()
    assert world.cluster.deployments["consumer"].wanted == 2
    assert condition(world, "Limited") == ("True", "Paused")
    world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {})
    await world.look(seconds=2)
    assert world.cluster.deployments["consumer"].wanted == 5
    assert condition(world, "Limited") == ("True", "AtMaximum")


async def test_nobody_takes_the_tasks(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(5, 0, age=1)
    await world.look()
    await world.look(seconds=2)
    assert condition(world, "Stalled") == ("False", "Working")
    await world.look(seconds=61)
    assert condition(world, "Stalled") == ("True", "NobodyTakesTasks")
    assert condition(world, "Active") == ("True", "Awake")
    world.figures.queues[QUEUE] = Figure(3, 2, age=1)
    await world.look(seconds=2)
    assert condition(world, "Stalled") == ("False", "Working")
