"""The two ends of a release, against the in-memory namespace."""

import pytest

from warren.errors import UnavailableError
from warren_operator import installation
from warren_operator.cluster import Kind
from warren_operator.cluster.remains import MemoryRemains
from warren_operator.installation import COMPONENT, INSTANCE, established, released, retired
from warren_operator.mljob.decision import FINALIZER


@pytest.fixture
def cluster() -> MemoryRemains:
    return MemoryRemains()


async def job(cluster: MemoryRemains, name: str, *finalizers: str) -> None:
    document = cluster.create(Kind.MLJOB, name, {})
    await cluster.write_finalizers(Kind.MLJOB, document, finalizers)


def pod(instance: str, component: str) -> dict[str, str]:
    return {INSTANCE: instance, COMPONENT: component}


async def test_established_returns_once_all_kinds_are_served(cluster: MemoryRemains) -> None:
    await established(cluster)


async def test_established_says_which_kinds_are_missing(
    cluster: MemoryRemains,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "PATIENCE_SECONDS", 0.02)
    cluster.kinds = frozenset({Kind.MLJOB})
    with pytest.raises(UnavailableError, match="consumerpools"):
        await established(cluster, poll_seconds=0.01)


async def test_released_takes_its_own_finalizer_away_and_leaves_others(cluster: MemoryRemains) -> None:
    await job(cluster, "iris", FINALIZER, "example.com/other")
    await released(cluster, "warren")
    assert (await cluster.get(Kind.MLJOB, "iris"))["metadata"]["finalizers"] == ["example.com/other"]


async def test_released_lets_a_job_go_whose_deletion_waits(cluster: MemoryRemains) -> None:
    await job(cluster, "iris", FINALIZER)
    cluster.remove(Kind.MLJOB, "iris")
    await released(cluster, "warren")
    assert not (await cluster.list(Kind.MLJOB)).items


async def test_released_keeps_the_jobs(cluster: MemoryRemains) -> None:
    await job(cluster, "iris", FINALIZER)
    await released(cluster, "warren")
    assert len((await cluster.list(Kind.MLJOB)).items) == 1


async def test_released_waits_for_the_end_of_the_operator(
    cluster: MemoryRemains,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installation, "PATIENCE_SECONDS", 0.02)
    cluster.running["warren-operator-1"] = pod("warren", "operator")
    await job(cluster, "iris", FINALIZER)
    with pytest.raises(UnavailableError, match="operator"):
        await released(cluster, "warren", poll_seconds=0.01)
    assert (await cluster.get(Kind.MLJOB, "iris"))["metadata"]["finalizers"] == [FINALIZER]


async def test_retired_ends_only_the_consumers_of_the_release(cluster: MemoryRemains) -> None:
    cluster.running |= {
        "mine": pod("warren", "consumer"),
        "valkey": pod("warren", "valkey"),
        "theirs": pod("other", "consumer"),
    }
    await retired(cluster, "warren")
    assert cluster.retired == {"mine": installation.GRACE_SECONDS}


async def test_released_deletes_the_pools_that_a_hook_made(cluster: MemoryRemains) -> None:
    for name, instance in (("cpu", "warren"), ("celery", "mine")):
        cluster.create(Kind.CONSUMER_POOL, name, {})
        cluster.label(Kind.CONSUMER_POOL, name, {INSTANCE: instance})
    await released(cluster, "warren")
    assert [pool["metadata"]["name"] for pool in (await cluster.list(Kind.CONSUMER_POOL)).items] == ["celery"]
