"""Pools: a Deployment that renders no replicas and a ConsumerPool, from one entry of the values."""

from __future__ import annotations

import pytest

from tests.contract.chart import release
from warren.pool import DEFAULT_POOLS
from warren.resources import ConsumerPoolSpec
from warren_consumer.settings import ConsumerSettings
from warren_operator.cluster import METRICS_PORT

EVERYTHING = release(everything=True)
POOLS = ["audio", "cpu", "gpu", "train-cpu", "train-gpu"]
each_pool = pytest.mark.parametrize("pool", POOLS)


def test_the_default_pools_are_those_of_the_embedded_run() -> None:
    assert [pool["metadata"]["name"] for pool in release().all("ConsumerPool")] == [pool.name for pool in DEFAULT_POOLS]


@each_pool
def test_an_upgrade_never_touches_what_the_operator_has_scaled(pool: str) -> None:
    assert "replicas" not in EVERYTHING.one("Deployment", f"warren-consumer-{pool}")["spec"]


@each_pool
def test_both_halves_of_a_pool_say_the_same(pool: str) -> None:
    spec = ConsumerPoolSpec.model_validate(EVERYTHING.one("ConsumerPool", pool)["spec"])
    pod = EVERYTHING.pod("Deployment", spec.scale_target_ref.name)
    assert spec.queue == f"warren.tasks.{pool}"
    assert pod.settings["WARREN_POOL"] == pool == pod.labels["warren.dev/pool"]
    assert pod.settings["WARREN_CONCURRENCY"] == str(spec.concurrency)
    assert pod.settings["WARREN_GRACE_SECONDS"] == str(pod.spec["terminationGracePeriodSeconds"])


@each_pool
def test_a_stopping_consumer_has_time_to_work_and_to_hand_back(pool: str) -> None:
    grace = EVERYTHING.pod("Deployment", f"warren-consumer-{pool}").spec["terminationGracePeriodSeconds"]
    settings = ConsumerSettings(
        broker_url="amqp://b", records_url="redis://r", pool="system", grace_seconds=float(grace)
    )
    assert grace - settings.hand_back_seconds >= 30


@each_pool
def test_the_operator_finds_where_a_consumer_tells_what_it_works_on(pool: str) -> None:
    pod = EVERYTHING.pod("Deployment", f"warren-consumer-{pool}")
    ports = {port["name"]: str(port["containerPort"]) for port in pod.main["ports"]}
    assert ports[METRICS_PORT] == pod.settings["WARREN_METRICS_PORT"] == pod.annotations["prometheus.io/port"]


@each_pool
def test_numerics_use_as_many_cores_as_the_pod_may(pool: str) -> None:
    pod = EVERYTHING.pod("Deployment", f"warren-consumer-{pool}")
    (variable,) = [one for one in pod.main["env"] if one["name"] == "WARREN_CPUS"]
    assert variable["valueFrom"] == {"resourceFieldRef": {"resource": "limits.cpu"}}
    assert "cpu" in pod.main["resources"]["limits"]


@pytest.mark.parametrize("pool", ["gpu", "train-gpu"])
def test_a_gpu_pool_asks_for_gpus_and_is_disabled_until_wanted(pool: str) -> None:
    pod = EVERYTHING.pod("Deployment", f"warren-consumer-{pool}")
    assert pod.main["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec["tolerations"]
    assert pool not in {one["metadata"]["name"] for one in release().all("ConsumerPool")}


def test_a_pool_of_ones_own_runs_ones_own_image_with_ones_own_environment() -> None:
    pod = EVERYTHING.pod("Deployment", "warren-consumer-audio")
    assert pod.main["image"] == "registry.example.com/team/audio:3"
    assert pod.settings["AUDIO_RATE"] == "16000"
    assert pod.main["envFrom"] == [{"secretRef": {"name": "audio"}}]
    assert EVERYTHING.one("ConsumerPool", "audio")["spec"]["target"] == {"waitSeconds": 30}


def test_a_target_replaces_the_default_one() -> None:
    assert release().one("ConsumerPool", "train-cpu")["spec"]["target"] == {"tasksPerReplica": 1}


def test_a_pool_gets_what_its_entry_says() -> None:
    spec = ConsumerPoolSpec.model_validate(EVERYTHING.one("ConsumerPool", "audio")["spec"])
    assert (spec.spare_slots, spec.advise_only) == (4, True)
    assert ConsumerPoolSpec.model_validate(release().one("ConsumerPool", "cpu")["spec"]).spare_slots == 0


def test_on_the_first_install_the_pools_follow_when_their_kind_is_known() -> None:
    for pool in release(upgrade=False).all("ConsumerPool"):
        annotations = pool["metadata"]["annotations"]
        assert "post-install" in annotations["helm.sh/hook"]
        # By these the next upgrade takes them over as its own.
        assert annotations["meta.helm.sh/release-name"] == "warren"
        assert annotations["meta.helm.sh/release-namespace"] == "warren"
    assert not [pool for pool in release().all("ConsumerPool") if "annotations" in pool["metadata"]]


def test_a_pool_of_foreign_workers_is_a_queue_and_nothing_else() -> None:
    assert "stone:foreign" in EVERYTHING.pod("Deployment", "warren-producer").settings["WARREN_POOLS"].split()
    (topology,) = [job for job in EVERYTHING.all("Job") if "-topology-" in job["metadata"]["name"]]
    assert "stone:foreign" in EVERYTHING.pod("Job", topology["metadata"]["name"]).settings["WARREN_POOLS"].split()
    assert not [one for one in EVERYTHING.documents if "stone" in one["metadata"]["name"]]
