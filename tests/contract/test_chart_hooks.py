"""Helm's hooks: what has to happen before the pools can be made, and after everything is gone."""

from __future__ import annotations

from tests.contract.chart import release
from tests.contract.test_chart_operator import allowed
from warren_operator.cluster import Kind
from warren_operator.cluster.remains import MemoryRemains
from warren_operator.installation import COMPONENT, INSTANCE, released, retired
from warren_operator.mljob.decision import FINALIZER


async def test_the_farewells_role_allows_its_calls_and_no_other() -> None:
    cluster = MemoryRemains()
    cluster.running = {"consumer": {INSTANCE: "warren", COMPONENT: "consumer"}}
    job = cluster.create(Kind.MLJOB, "iris", {})
    await cluster.write_finalizers(Kind.MLJOB, job, (FINALIZER,))
    cluster.create(Kind.CONSUMER_POOL, "cpu", {})
    cluster.label(Kind.CONSUMER_POOL, "cpu", {INSTANCE: "warren"})
    cluster.calls.clear()
    await retired(cluster, "warren")
    await released(cluster, "warren")
    assert allowed(release().one("Role", "warren-release")) == cluster.calls


def test_the_farewell_brings_all_that_it_needs() -> None:
    own = [d for d in release().documents if d["metadata"]["name"] == "warren-release"]
    assert {d["kind"] for d in own} == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    order = {d["kind"]: int(d["metadata"]["annotations"]["helm.sh/hook-weight"]) for d in own}
    assert order["Role"] < order["RoleBinding"] < order["Job"]
    assert order["ServiceAccount"] < order["Job"]
    pod = release().pod("Job", "warren-release")
    assert not list(pod.references()), "Secrets and ConfigMaps of the release are gone by then"


def test_consumers_are_retired_before_anything_goes_and_jobs_released_after_all_is_gone() -> None:
    both = "pre-delete,post-delete"
    hooks = {
        (d["kind"], d["metadata"]["name"]): d["metadata"]["annotations"]
        for d in release().documents
        if "delete" in d["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    }
    assert {key: annotations["helm.sh/hook"] for key, annotations in hooks.items()} == {
        ("ServiceAccount", "warren-release"): both,
        ("Role", "warren-release"): both,
        ("RoleBinding", "warren-release"): both,
        ("Job", "warren-retire"): "pre-delete",
        ("Job", "warren-release"): "post-delete",
    }
    assert all("hook-succeeded" in annotations["helm.sh/hook-delete-policy"] for annotations in hooks.values())


def test_its_labels_are_those_that_it_looks_for() -> None:
    labels = release().pod("Deployment", "warren-operator").labels
    assert labels.items() >= {INSTANCE: "warren", COMPONENT: "operator"}.items()
    assert release().pod("Deployment", "warren-consumer-cpu").component == "consumer"


def test_the_pools_come_after_their_kind() -> None:
    first = release(upgrade=False)
    waiting = first.one("Job", "warren-established")["metadata"]["annotations"]
    pool = first.one("ConsumerPool", "cpu")["metadata"]["annotations"]
    assert int(waiting["helm.sh/hook-weight"]) < int(pool["helm.sh/hook-weight"])
    assert waiting["helm.sh/hook"] == pool["helm.sh/hook"]
    assert not [job for job in release().all("Job") if job["metadata"]["name"] == "warren-established"]
