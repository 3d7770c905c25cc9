"""The system pool: always one, and nobody scales it."""

from __future__ import annotations

from tests.contract.chart import release
from warren.pool import SYSTEM_POOL


def test_it_is_one_consumer_that_nothing_scales() -> None:
    pod = release().pod("Deployment", "warren-system")
    assert pod.owner["spec"]["replicas"] == 1
    assert pod.settings["WARREN_POOL"] == SYSTEM_POOL
    targets = {pool["spec"]["scaleTargetRef"]["name"] for pool in release().all("ConsumerPool")}
    assert "warren-system" not in targets
    assert pod.settings["WARREN_BROKER_METRICS_URL"] == "http://warren-rabbitmq:15692"
    assert pod.settings["WARREN_GRACE_SECONDS"] == str(pod.spec["terminationGracePeriodSeconds"])
