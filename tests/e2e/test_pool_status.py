"""What a pool says of itself is so: advice, a warm spare, and of two consumers it is the idle one that goes."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import SELECTOR, fall_asleep, ready, replicas
from warren.client import Client, Job
from warren.record import State

POOL = "cpu"
COLUMNS = ["NAME", "READY", "UNACKED", "WAIT", "REPLICAS", "WANTED", "REASON", "AGE"]
LONG = 120.0
"""Seconds that a task takes which is still under way when an idle consumer has gone, however slow the machine is."""
COST = "controller.kubernetes.io/pod-deletion-cost"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(name="asleep")
def _asleep(namespace: Namespace) -> Iterator[str]:
    """Have the pool asleep, and as it was afterwards."""
    fall_asleep(namespace, POOL)
    yield POOL
    namespace.patch("consumerpool", POOL, {"adviseOnly": False, "spareSlots": 0})


def told(namespace: Namespace) -> dict[str, str]:
    """Return the reason of each condition that is True, and of those that are not with a `not` before it."""
    found = namespace.get("consumerpool", POOL)["status"]["conditions"]
    return {one["type"]: ("" if one["status"] == "True" else "not ") + one["reason"] for one in found}


def listed(namespace: Namespace) -> dict[str, str]:
    """Return what `kubectl get` prints of the pool, by the column's head; what is not known is empty."""
    head, line = namespace.run("get", "consumerpools", POOL).splitlines()
    assert head.split() == COLUMNS
    begins = [head.index(name) for name in COLUMNS]
    return {
        name: line[begin:end].strip() for name, begin, end in zip(COLUMNS, begins, [*begins[1:], None], strict=True)
    }


def running(namespace: Namespace, pod: str) -> bool:
    """Return whether a consumer says that it works on something."""
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}:8001/proxy/metrics"
    lines = namespace.run("get", "--raw", path).splitlines()
    return any(line.startswith("warren_consumer_running_tasks{") and not line.endswith(" 0.0") for line in lines)


def occupy(namespace: Namespace, client: Client, pod: str, other: str) -> Job[Any]:
    """Return a long task that this consumer works on, while the other one idles."""
    job = client.submit("sleep", seconds=LONG)
    taken = until("one works on it", lambda: [one for one in (pod, other) if running(namespace, one)], seconds=15)
    if taken == [pod]:
        return job
    second = client.submit("sleep", seconds=LONG)
    until("the next is for the one whose turn it is", lambda: running(namespace, pod), seconds=15)
    job.cancel()
    until("the first has been given up", lambda: not running(namespace, other), seconds=15)
    return second


def test_advice_a_warm_spare_and_the_idle_one_that_goes(
    namespace: Namespace, asleep: str, client: Client, diary: Diary
) -> None:
    namespace.patch("consumerpool", asleep, {"adviseOnly": True})
    until("it only advises", lambda: told(namespace)["Active"] == "not AdviseOnly", seconds=15)
    waiting = client.submit("echo", text="hello")
    row = until(
        "one is advised for it", lambda: one if (one := listed(namespace))["REASON"] == "Backlog" else None, seconds=15
    )
    diary.say(str(row))
    assert (row["READY"], row["UNACKED"], row["REPLICAS"], row["WANTED"]) == ("1", "0", "0", "1")
    assert replicas(namespace, asleep) == 0
    assert told(namespace)["MetricsAvailable"] == "Fresh"

    namespace.patch("consumerpool", asleep, {"adviseOnly": False})
    assert waiting.get(60) == "hello"
    elder = until("it is up", lambda: ready(namespace, asleep), seconds=30)[0]
    slots = int(namespace.get("consumerpool", asleep)["spec"]["concurrency"])
    namespace.patch("consumerpool", asleep, {"spareSlots": slots + 1})
    until("there is a warm spare", lambda: len(ready(namespace, asleep)) == 2, seconds=30)
    assert told(namespace)["Active"] == "Awake"
    (younger,) = set(ready(namespace, asleep)) - {elder}

    job = occupy(namespace, client, younger, elder)
    namespace.patch("consumerpool", asleep, {"spareSlots": 0})
    until("one is enough", lambda: replicas(namespace, asleep) == 1, seconds=30)
    stayed = until("one is left", lambda: one_left(namespace), seconds=20)
    assert stayed == younger, "the elder one was idle"
    assert namespace.get("pod", younger)["metadata"]["annotations"][COST] == "1"
    still = job.cancel()
    assert (still.status, still.attempt) == (State.CANCELED, 1), "it was not interrupted"


def one_left(namespace: Namespace) -> str | None:
    """Return the name of the pool's pod that is not about to go, if there is but one."""
    pods = [pod["metadata"] for pod in namespace.all("pods", SELECTOR + POOL)]
    names = [pod["name"] for pod in pods if "deletionTimestamp" not in pod]
    return str(names[0]) if len(names) == 1 else None
