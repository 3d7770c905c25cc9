"""`helm install` with the chart's defaults: everything runs, within its limits, and sleeps without work."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import fall_asleep, hold, let_go
from tests.e2e.release import POOLS

PROBED = {"producer": 8000, "consumer": 8001, "system": 8001, "operator": 8002}
"""The components that have a `/readyz`, each with its port."""

pytestmark = pytest.mark.timeout(300)


def test_every_pod_is_ready_and_none_was_restarted(namespace: Namespace, diary: Diary) -> None:
    diary.say(namespace.run("get", "pods"))
    containers = [
        container for pod in namespace.all("pods") for container in pod["status"].get("containerStatuses", [])
    ]
    assert {container["name"] for container in containers} >= {"producer", "operator", "rabbitmq", "valkey", "s3"}
    assert [container["name"] for container in containers if container["restartCount"]] == []


def test_what_it_asks_of_the_processors_fits_one_core(namespace: Namespace) -> None:
    requests = [
        container["resources"]["requests"]["cpu"]
        for pod in namespace.all("pods")
        if pod["status"]["phase"] == "Running"
        for container in pod["spec"]["containers"]
    ]
    assert sum(int(request.removesuffix("m")) for request in requests) <= 1000


@pytest.fixture(name="awake")
def _awake(namespace: Namespace) -> Iterator[None]:
    """Have a consumer of each pool that does not go to sleep meanwhile."""
    for pool in POOLS:
        hold(namespace, pool, 1)
    yield
    for pool in POOLS:
        let_go(namespace, pool)


@pytest.mark.usefixtures("awake")
def test_every_component_says_that_it_is_ready(namespace: Namespace, diary: Diary) -> None:
    """The operator needs figures of Prometheus that are fresh: an install may be done before the second scrape."""
    answers = until("all that they depend on is ok", lambda: _all_ok(_readiness(namespace)), seconds=15)
    diary.say("\n".join(f"{component}: {answer}" for component, answer in answers.items()))
    assert set(answers) == set(PROBED)
    for component in PROBED:
        assert set(_states(answers[component]["dependencies"])) >= {"broker", "records"}


def _readiness(namespace: Namespace) -> dict[str, Any]:
    """Return what a pod of each component answers to `/readyz`."""
    answers = {}
    for pod in namespace.all("pods"):
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        if component in PROBED and "deletionTimestamp" not in pod["metadata"]:
            path = f"pods/{pod['metadata']['name']}:{PROBED[component]}/proxy/readyz"
            answers[component] = json.loads(
                namespace.run("get", "--raw", f"/api/v1/namespaces/{namespace.name}/{path}")
            )
    return answers


def _all_ok(answers: dict[str, Any]) -> dict[str, Any] | None:
    """Return the answers if no component lacks anything."""
    states = {state for answer in answers.values() for state in _states(answer["dependencies"]).values()}
    return answers if states == {"ok"} else None


def _states(dependencies: dict[str, Any]) -> dict[str, str]:
    """Return the state of each dependency; producer and operator tell more of them than the state."""
    return {name: found["state"] if isinstance(found, dict) else found for name, found in dependencies.items()}


def test_the_producer_sees_all_that_it_depends_on(api: str) -> None:
    answer = httpx2.get(f"{api}/readyz").json()
    assert answer["status"] == "ready", answer


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_without_work_goes_to_sleep(namespace: Namespace, pool: str) -> None:
    fall_asleep(namespace, pool)


def test_the_pools_are_told_in_one_table(namespace: Namespace, diary: Diary) -> None:
    def told() -> str | None:
        """Return the table once its figures, a look of the operator old, are those of pools that sleep."""
        _, *rows = (table := namespace.run("get", "consumerpools")).splitlines()
        asleep = [[pool, "0", "0", "0", "0", "Idle"] for pool in POOLS]
        return table if [row.split()[:6] for row in rows] == asleep else None

    table = until("both are told as they are", told, seconds=15)
    diary.say(table)
    assert table.splitlines()[0].split() == ["NAME", "READY", "UNACKED", "WAIT", "REPLICAS", "WANTED", "REASON", "AGE"]
