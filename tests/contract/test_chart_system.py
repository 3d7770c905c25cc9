"""The system pool: always one, and nobody scales it."""

from __future__ import annotations

from tests.contract.chart import PRODUCTION, release
from warren.pool import SYSTEM_POOL


def test_it_is_one_consumer_that_nothing_scales() -> None:
    pod = release().pod("Deployment", "warren-system")
    assert pod.owner["spec"]["replicas"] == 1
    assert pod.settings["WARREN_POOL"] == SYSTEM_POOL
    targets = {pool["spec"]["scaleTargetRef"]["name"] for pool in release().all("ConsumerPool")}
    assert "warren-system" not in targets
    assert pod.settings["WARREN_BROKER_METRICS_URL"] == "http://warren-rabbitmq:15692"
    assert "WARREN_CALLBACK_ALLOW" not in pod.settings
    assert pod.settings["WARREN_GRACE_SECONDS"] == str(pod.spec["terminationGracePeriodSeconds"])


def test_it_alone_signs_webhooks_and_knows_where_they_may_go() -> None:
    rendering = release("system.callbackAllow={10.1.2.0/24,*.apps.svc}")
    pod = rendering.pod("Deployment", "warren-system")
    assert pod.settings["WARREN_CALLBACK_ALLOW"] == "10.1.2.0/24 *.apps.svc"
    signing = {str(pod) for pod in rendering.pods if "WARREN_WEBHOOK_SECRETS" in pod.settings}
    assert signing == {str(pod)}
    [variable] = [variable for variable in pod.main["env"] if variable["name"] == "WARREN_WEBHOOK_SECRETS"]
    assert variable["valueFrom"]["secretKeyRef"]["optional"], "a Secret of one's own may be older than webhooks are"


def test_it_knows_the_keys_that_the_producers_know_and_no_other_consumer_does() -> None:
    assert "keys" not in release().pod("Deployment", "warren-system").volumes
    rendering = release(values=PRODUCTION)
    system, producer = (rendering.pod("Deployment", f"warren-{name}") for name in ("system", "producer"))
    assert system.settings["WARREN_KEYS_DIR"] == producer.settings["WARREN_KEYS_DIR"]
    assert system.volumes["keys"] == producer.volumes["keys"]
    assert [mount for mount in producer.main["volumeMounts"] if mount["name"] == "keys"] == [
        mount for mount in system.main["volumeMounts"] if mount["name"] == "keys"
    ]
    assert system.spec["securityContext"]["fsGroup"]
    assert {str(pod) for pod in rendering.pods if "keys" in pod.volumes} == {str(system), str(producer)}
