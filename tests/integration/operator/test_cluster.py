"""The port to Kubernetes: the real adapter and the one in memory answer alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.integration.operator.conftest import Namespace
from tests.integration.operator.deployments import METRICS_PORT, deployment
from warren_operator.cluster import Cluster, ConflictError, Document, Kind, Notice, Pod, ResourceNotFoundError, Scale
from warren_operator.cluster.api import ApiCluster
from warren_operator.cluster.memory import MemoryCluster

EXAMPLES = Path(__file__).resolve().parents[3] / "manifests" / "examples"
IRIS = EXAMPLES / "iris.yaml"
DEPLOYMENT = deployment("consumer")
SELECTOR = "app=picky"
SCHEDULER = "node(s) didn't match"
PICKY = deployment("picky", replicas=2, nodeSelector={"warren.dev/there-is": "none"})
"""No node is good enough for its pods."""
QUEUED = {"type": "Queued", "status": "True", "reason": "Waiting", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@pytest.fixture(params=["memory", "api"])
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """Give each adapter, with the job iris and the Deployment consumer (0 replicas) in it."""
    if request.param == "memory":
        memory = MemoryCluster()
        memory.create(Kind.MLJOB, "iris", yaml.safe_load(IRIS.read_text())["spec"])
        memory.deployments["consumer"] = Scale(0, 0)
        memory.deployments["picky"] = Scale(2, 2, SELECTOR)
        memory.crews[SELECTOR] = {
            name: Pod(name, unschedulable=f"1 {SCHEDULER}", metrics_port=METRICS_PORT)
            for name in ("picky-1", "picky-2")
        }
        yield memory
        return
    namespace: Namespace = request.getfixturevalue("namespace")
    namespace.kubectl("apply", "--filename", str(IRIS))
    namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(DEPLOYMENT))
    namespace.kubectl("apply", "--filename", "-", given=yaml.safe_dump(PICKY))
    api = await ApiCluster.connect(namespace.name, namespace.kubeconfig)
    yield api
    await api.close()


async def iris(cluster: Cluster) -> Document:
    return await cluster.get(Kind.MLJOB, "iris")


async def test_what_is_listed_is_what_is_got(cluster: Cluster) -> None:
    listing = await cluster.list(Kind.MLJOB)
    (found,) = listing.items
    assert found["metadata"] == (await iris(cluster))["metadata"]
    assert listing.version >= int(found["metadata"]["resourceVersion"])
    assert (await cluster.list(Kind.CONSUMER_POOL)).items == ()


async def test_a_status_replaces_the_one_before(cluster: Cluster) -> None:
    first = await cluster.write_status(
        Kind.MLJOB,
        await iris(cluster),
        {"phase": "Queued", "taskId": "t", "metrics": {"accuracy": 0.5}, "conditions": [QUEUED]},
    )
    second = await cluster.write_status(
        Kind.MLJOB,
        first,
        {
            "phase": "Running",
            "taskId": "t",
            "conditions": [{**QUEUED, "status": "False"}, {**QUEUED, "type": "Running"}],
        },
    )
    assert second["status"]["phase"] == "Running"
    assert "metrics" not in second["status"]
    assert [condition["type"] for condition in second["status"]["conditions"]] == ["Queued", "Running"]
    assert second["spec"] == first["spec"]


async def test_a_write_to_what_has_changed_is_a_conflict(cluster: Cluster) -> None:
    stale = await iris(cluster)
    await cluster.write_status(Kind.MLJOB, stale, {"phase": "Pending"})
    with pytest.raises(ConflictError):
        await cluster.write_status(Kind.MLJOB, stale, {"phase": "Queued"})
    with pytest.raises(ConflictError):
        await cluster.write_finalizers(Kind.MLJOB, stale, ("warren.dev/cancel",))


async def test_a_finalizer_keeps_what_is_deleted(cluster: Cluster) -> None:
    kept = await cluster.write_finalizers(Kind.MLJOB, await iris(cluster), ("warren.dev/cancel",))
    await cluster.delete(Kind.MLJOB, kept)
    marked = await iris(cluster)
    assert marked["metadata"]["deletionTimestamp"]
    await cluster.write_finalizers(Kind.MLJOB, marked, ())
    with pytest.raises(ResourceNotFoundError):
        await iris(cluster)


async def test_only_this_very_resource_is_deleted(cluster: Cluster) -> None:
    found = await iris(cluster)
    with pytest.raises(ConflictError):
        await cluster.delete(Kind.MLJOB, {**found, "metadata": {**found["metadata"], "uid": "another"}})
    assert await iris(cluster)


async def test_a_deployment_is_scaled(cluster: Cluster) -> None:
    await cluster.write_scale("consumer", 2)
    assert (await cluster.scale("consumer")).wanted == 2
    await cluster.write_scale("consumer", 0)
    with pytest.raises(ResourceNotFoundError, match="nobody"):
        await cluster.scale("nobody")


async def test_pods_say_that_no_node_takes_them_and_get_their_cost(cluster: Cluster) -> None:
    selector = (await cluster.scale("picky")).selector
    assert selector == SELECTOR
    async with asyncio.timeout(30):
        # The scheduler tells nobody.
        while len(pods := await cluster.pods_of(selector)) < 2 or not all(  # noqa: ASYNC110
            pod.unschedulable for pod in pods
        ):
            await asyncio.sleep(0.2)
    assert all(SCHEDULER in pod.unschedulable and pod.cost is None and not pod.address for pod in pods)
    assert [pod.metrics_port for pod in pods] == [METRICS_PORT] * 2
    await cluster.write_cost(pods[0].name, 7)
    found = {pod.name: pod.cost for pod in await cluster.pods_of(selector)}
    assert found == {pods[0].name: "7", pods[1].name: None}
    assert await cluster.pods_of("app=nobody") == []
    with pytest.raises(ResourceNotFoundError):
        await cluster.write_cost("nobody", 1)


async def test_an_event_is_posted(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    await cluster.notify(await iris(cluster), Notice("Warning", "DatasetNotFound", "there is none"))
    if isinstance(cluster, MemoryCluster):
        assert cluster.notices == [("iris", Notice("Warning", "DatasetNotFound", "there is none"))]
    else:
        namespace: Namespace = request.getfixturevalue("namespace")
        assert "there is none" in namespace.kubectl("events", "--for", "mljob/iris")
