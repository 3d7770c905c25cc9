"""One pool's trouble is not every pool's, and what is gone is left alone."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY

from tests.unit.operator.held import HeldCluster
from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.test_pool_pods import crew
from tests.unit.operator.test_wakes import until
from tests.unit.operator.world import World
from warren_operator.cluster import Kind, Pod, Scale
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


def reconciles(outcome: str) -> float:
    labels = {"resource": "consumerpool", "outcome": outcome}
    return REGISTRY.get_sample_value("warren_operator_reconciles_total", labels) or 0


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


async def test_a_scale_that_is_refused_is_told_and_stops_no_other(world: World, cluster: HeldCluster) -> None:
    cluster.denied.add("consumer")
    before = reconciles("ok"), reconciles("refused")
    await world.look()
    assert (reconciles("ok"), reconciles("refused")) == (before[0] + 1, before[1] + 1)
    assert (wanted(cluster, "gpu"), wanted(cluster, "consumer")) == (1, 0)
    assert condition(world, "Stalled") == ("True", "ScaleRefused")
    assert (status(world).ready, status(world).replicas, status(world).desired_replicas) == (5, 0, 3)
    assert [notice.message for name, notice in cluster.notices if name == "cpu"] == [
        "the Kubernetes API refused 'consumer': 403 Forbidden: denied by policy"
    ]
    cluster.denied.clear()
    await world.look(seconds=2)
    assert (wanted(cluster, "consumer"), condition(world, "Stalled")) == (3, ("False", "Working"))


async def test_a_scale_that_may_not_be_read_is_told_and_stops_no_other(world: World, cluster: HeldCluster) -> None:
    await world.look()
    cluster.notices.clear()
    cluster.hidden.add("consumer")
    world.figures.queues[QUEUE] = Figure(9, 0, age=1)
    words, before = "the Kubernetes API refused 'consumer': 403 Forbidden: cannot get scale", reconciles("refused")
    await world.look(seconds=2)
    assert reconciles("refused") == before + 1
    assert [condition(world, kind) for kind in ("Stalled", "Active", "Limited", "MetricsAvailable")] == [
        ("True", "ScaleRefused"),
        ("Unknown", "ScaleRefused"),
        ("Unknown", "ScaleRefused"),
        ("True", "Fresh"),
    ]
    seen = status(world)
    assert (seen.reason, seen.message, seen.ready, seen.replicas) == ("ScaleRefused", words, 9, None)
    assert REGISTRY.get_sample_value("warren_operator_pool_replicas", {"pool": "cpu", "queue": QUEUE}) is None
    assert [notice.message for name, notice in cluster.notices if name == "cpu"] == [words]
    cluster.hidden.clear()
    await world.look(seconds=2)
    assert (condition(world, "Stalled"), condition(world, "Active")) == (("False", "Working"), ("True", "Awake"))
    assert (status(world).reason, status(world).replicas) == ("Backlog", 3)


async def test_an_answer_that_is_lost_is_no_refusal(world: World, cluster: HeldCluster) -> None:
    await world.look(seconds=2)
    cluster.deployments["consumer"] = Scale(0, 0)
    cluster.notices.clear()
    cluster.unanswered = "consumer"
    before = reconciles("unavailable"), reconciles("refused")
    await world.look(seconds=2)
    assert (reconciles("unavailable"), reconciles("refused")) == (before[0] + 1, before[1])
    await world.look(seconds=2)
    assert (wanted(cluster, "consumer"), condition(world, "Stalled")) == (3, ("False", "Working"))
    assert [notice for name, notice in cluster.notices if name == "cpu" and notice.type == "Warning"] == []


async def test_a_deletion_cost_that_is_refused_keeps_all_and_is_told(world: World, cluster: HeldCluster) -> None:
    """Those that go might be the busy ones."""
    crew(world, Pod("a", "10.0.0.1"), Pod("b", "10.0.0.2"))
    world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=2, busy={"10.0.0.1:8001": 1})
    cluster.denied.add("a")
    await world.look()
    await world.look(seconds=61)
    assert wanted(cluster, "consumer") == 2
    assert condition(world, "Stalled") == ("True", "ScaleRefused")


async def test_a_deployment_that_is_deleted_before_it_is_scaled_loses_nobody_the_pool(
    world: World, cluster: HeldCluster
) -> None:
    cluster.short_lived = "consumer"
    await world.look()
    assert {document["metadata"]["name"] for document in world.operator.pools} == {"gpu", "cpu"}
    await world.operator.pool_round()
    assert condition(world, "Stalled") == ("True", "DeploymentNotFound")
