"""What the pods are told is what the components understand, and all that they need."""

from __future__ import annotations

import pytest

from tests.contract.chart import Pod, release
from warren.cli.topology import TopologySettings
from warren.pool import Pool, PoolKind
from warren.records import RESULT_TTL_SECONDS
from warren.settings import PREFIX, Settings, load
from warren_consumer.settings import ConsumerSettings
from warren_operator.settings import OperatorSettings
from warren_producer.settings import ProducerSettings

SETTINGS: dict[str, type[Settings]] = {
    "topology": TopologySettings,
    "producer": ProducerSettings,
    "consumer": ConsumerSettings,
    "system": ConsumerSettings,
    "operator": OperatorSettings,
}
PODS = [
    pod for rendering in (release(), release(everything=True)) for pod in rendering.pods if pod.component in SETTINGS
]
each_pod = pytest.mark.parametrize("pod", PODS, ids=map(str, PODS))

LEFT_ALONE = {
    "log_format": "JSON is what a cluster collects",
    "max_body_bytes": "the default is the contract",
    "max_bodies_bytes": "the default is the contract",
    "predict_seconds": "a caller sets it by Prefer",
    "max_wait_seconds": "the default is the contract",
    "max_waiting": "the default is the contract",
    "lease_seconds": "the default is the contract",
    "tick_seconds": "the default is the contract",
    "resync_seconds": "the default is the contract",
    "url": "for a shell",
}

OF_OTHERS = {
    "system": {"concurrency"},
    "consumer": {"broker_metrics_url", "callback_allow", "keys_dir", "webhook_secrets"},
    "topology": {"log_level"},
}
"""Fields of a class that is another component's as well, and that mean something to that one alone."""


def names(kind: type[Settings]) -> set[str]:
    return {f"{PREFIX}{name.upper()}" for name in kind.model_fields}


def rendered(pod: Pod) -> dict[str, str]:
    return {name: value for name, value in pod.settings.items() if name.startswith(PREFIX)}


@each_pod
def test_it_is_told_only_what_it_knows_and_all_that_it_needs(pod: Pod) -> None:
    load(SETTINGS[pod.component], rendered(pod))


def test_every_setting_is_told_to_some_pod_or_left_alone_for_a_reason() -> None:
    for component, kind in SETTINGS.items():
        told = {name for pod in PODS if pod.component == component for name in rendered(pod)}
        untold = {name.removeprefix(PREFIX).lower() for name in names(kind) - told}
        untold -= OF_OTHERS.get(component, set())
        assert untold <= LEFT_ALONE.keys() | {"storage_read_prefixes"}, component


@each_pod
def test_no_variable_is_named_twice(pod: Pod) -> None:
    told = [variable["name"] for variable in pod.main["env"]]
    assert len(told) == len(set(told))


@each_pod
def test_each_component_is_its_own_user_of_the_broker(pod: Pod) -> None:
    assert f"://warren-{pod.component}:s3cret@" in rendered(pod)["WARREN_BROKER_URL"]


def test_every_pool_is_known_to_everybody() -> None:
    pools = (Pool(name="cpu"), Pool(name="train-cpu", kind=PoolKind.TRAIN))
    for pod in release().pods:
        if pod.component in SETTINGS:
            assert load(SETTINGS[pod.component], rendered(pod)).model_dump()["pools"] == tuple(
                pool.model_dump() for pool in pools
            )


@pytest.mark.parametrize(("sets", "seconds"), [((), RESULT_TTL_SECONDS), (("resultTtlSeconds=1000000",), 1e6)])
def test_all_keep_results_for_the_same_time(sets: tuple[str, ...], seconds: float) -> None:
    told = [rendered(pod) for pod in release(*sets).pods if pod.component in SETTINGS.keys() - {"topology"}]
    assert {float(settings["WARREN_RESULT_TTL_SECONDS"]) for settings in told} == {seconds}


def test_a_vhost_with_a_slash_stays_one_word_of_the_url() -> None:
    assert (
        release(everything=True)
        .pod("Deployment", "warren-operator")
        .settings["WARREN_BROKER_URL"]
        .endswith("@rabbit.example.com:5671/ml%2Fprod")
    )
