"""The topology's Job: one whose name changes with what it does, for a Job itself cannot change."""

from __future__ import annotations

from tests.contract.chart import Document, release


def job(*sets: str) -> Document:
    (found,) = [job for job in release(*sets).all("Job") if "topology" in job["metadata"]["name"]]
    return found


def test_its_name_says_what_is_in_it() -> None:
    assert job()["metadata"]["name"] == job("producer.replicas=3")["metadata"]["name"]
    names = [job(*sets)["metadata"]["name"] for sets in ([], ["pools.gpu.enabled=true"], ["image.tag=v2"])]
    assert len(set(names)) == len(names)


def test_it_is_no_hook() -> None:
    assert "annotations" not in job()["metadata"]


def test_it_stays_longer_than_helm_waits() -> None:
    assert job()["spec"]["ttlSecondsAfterFinished"] >= 3600


def test_it_applies_the_topology_of_every_pool_as_the_one_user_that_may() -> None:
    pod = release("pools.gpu.enabled=true").pod("Job", job("pools.gpu.enabled=true")["metadata"]["name"])
    assert pod.main["command"][:3] == ["warren", "topology", "apply"]
    assert pod.settings["WARREN_POOLS"] == "cpu gpu train-cpu:train"
    assert pod.settings["WARREN_BROKER_MANAGEMENT_URL"] == "http://warren-topology:s3cret@warren-rabbitmq:15672"
