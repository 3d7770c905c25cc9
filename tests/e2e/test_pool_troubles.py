"""What pools meet: an API server that is away, consumers nobody hears of, pods that never work, a grace that passes."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace, is_ready
from tests.e2e.node import Node
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, hold, let_go, ready, replicas
from tests.e2e.release import Release
from tests.e2e.workshop import CRASHING, GRACE_SECONDS, SLOTS, Workshop
from warren.client import Client, Job
from warren.record import State

OPERATOR = "app.kubernetes.io/component=operator"
PROMETHEUS = "app.kubernetes.io/component=prometheus"
API_PORT, PROBES_PORT, METRICS_PORT = 443, 8002, 8001
"""Of the Kubernetes API as pods see it, of the operator's own probes, of each consumer's metrics."""
HAND_BACK_SECONDS = 30
"""How long before the end of its grace a consumer gives back what it cannot finish."""
STOPPING_SECONDS = 6
"""What it may take besides: the kubelet's word, the lease, the broker, another consumer."""
TAKEN_UP_SECONDS = 15
"""An answer that never comes is waited for for 10 s; then there are the next round and a connection."""
LONG, MORE = 15, 4
"""For how many seconds tasks take all slots, and how many come for which no slot is left."""
SILENT_SECONDS = 4
"""Two looks of the operator: a pool of no patience would have sent its idle consumers away by then."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", name="untaken", autouse=True)
def _untaken(release: Release, workshop: Workshop) -> Iterator[Job[Any]]:
    """Submit a task whose consumers stop at once, for a setting that nobody can read: it is told after a minute."""
    namespace = release.namespace
    set_concurrency(namespace, "several")
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as client:
        job = client.submit("primes_below", limit=10)
    until("one consumer is wanted", lambda: replicas(namespace, CRASHING) == 1, seconds=15)
    yield job
    set_concurrency(namespace, "4")


@pytest.fixture(name="serving")
def _serving(namespace: Namespace, workshop: Workshop) -> Iterator[str]:
    """Have one of the workshop's consumers, and leave the pool to the operator afterwards."""
    hold(namespace, workshop.pool, 1)
    yield workshop.pool
    let_go(namespace, workshop.pool)


def set_concurrency(namespace: Namespace, slots: str) -> None:
    """Say how many tasks the consumers that crash work on at once."""
    namespace.run("set", "env", f"deployment/{deployment(CRASHING)}", f"WARREN_CONCURRENCY={slots}")


def status_of(namespace: Namespace, pool: str) -> dict[str, Any]:
    """Return what a pool says of itself."""
    found: dict[str, Any] = namespace.get("consumerpool", pool)["status"]
    return found


def told(namespace: Namespace, pool: str, kind: str) -> tuple[str, str]:
    """Return a condition's status and reason."""
    found = status_of(namespace, pool)["conditions"]
    return next((one["status"], one["reason"]) for one in found if one["type"] == kind)


def dependency(namespace: Namespace, pod: str) -> dict[str, str]:
    """Return what the operator says of the Kubernetes API."""
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}:{PROBES_PORT}/proxy/readyz"
    document = json.loads(namespace.run("get", "--raw", path))
    found: dict[str, str] = document["dependencies"]["kubernetes"]
    return found


def test_an_operator_without_the_api_server_and_a_task_longer_than_its_consumers_grace(
    namespace: Namespace, workshop: Workshop, serving: str, client: Client, diary: Diary
) -> None:
    (operator,) = (pod["metadata"]["name"] for pod in namespace.all("pods", OPERATOR))
    fall_asleep(namespace, "cpu")
    (old,) = ready(namespace, serving)
    job = client.submit("linger", seconds=2 * GRACE_SECONDS)
    until("it is under way", lambda: job.status is State.STARTED, seconds=15)
    with Node(namespace).black_hole(operator, API_PORT):
        told_to_go = time.time()
        namespace.run("delete", "pod", old, "--wait=false")
        waiting = client.submit("echo", text="hello")
        until("the operator says so", lambda: dependency(namespace, operator)["state"] != "ok", seconds=20)
        diary.say(dependency(namespace, operator)["detail"])
        assert client.submit("carve", seconds=0.1).get(20) == 1, "others work meanwhile"
        assert (replicas(namespace, "cpu"), waiting.status) == (0, State.QUEUED)
    back = time.monotonic()
    until("the pool is woken", lambda: replicas(namespace, "cpu"), seconds=TAKEN_UP_SECONDS)
    diary.say(f"scaled {time.monotonic() - back:.1f} s after the API server was there again")
    assert waiting.get(30) == "hello"
    pod = namespace.get("pod", operator)
    assert (is_ready(pod), pod["status"]["containerStatuses"][0]["restartCount"]) == (True, 0)

    record = job.wait(40)
    assert record.started_at is not None
    again = record.started_at.timestamp() - told_to_go
    rows = workshop.rows()
    diary.say(f"handed back and begun again {again:.1f} s after its consumer was told to go")
    assert GRACE_SECONDS - HAND_BACK_SECONDS <= again <= GRACE_SECONDS - HAND_BACK_SECONDS + STOPPING_SECONDS
    assert (record.status, record.failures, record.attempt, record.result) == (State.SUCCEEDED, 0, 2, 2)
    assert (rows.started[job.id], rows.ended[job.id]) == (2, 1)


@pytest.fixture(name="impatient")
def _impatient(namespace: Namespace, serving: str) -> Iterator[str]:
    """Have a pool that goes by what is there at this moment, and lets go of what is idle at once."""
    now = {"target": {"waitSeconds": None, "tasksPerReplica": SLOTS}, "scaleDown": {"stabilizationSeconds": 0}}
    usual = {"target": {"waitSeconds": 5, "tasksPerReplica": None}, "scaleDown": {"stabilizationSeconds": 5}}
    namespace.patch("consumerpool", serving, now)
    yield serving
    namespace.patch("consumerpool", serving, usual)


def test_none_goes_of_consumers_that_are_not_heard_of(
    namespace: Namespace, impatient: str, client: Client, diary: Diary
) -> None:
    (prometheus,) = (pod["metadata"]["name"] for pod in namespace.all("pods", PROMETHEUS))
    jobs = client.submit_many([{"task": "carve", "args": {"seconds": LONG}}] * SLOTS)
    until("the operator sees them", lambda: status_of(namespace, impatient).get("unacked") == SLOTS, seconds=15)
    let_go(namespace, impatient)
    metrics = partial(told, namespace, impatient, "MetricsAvailable")
    with Node(namespace).black_hole(prometheus, METRICS_PORT):
        jobs += client.submit_many([{"task": "carve", "args": {"seconds": 0.1}}] * MORE)
        until("RabbitMQ's figures are enough for more", lambda: replicas(namespace, impatient) == 2, seconds=15)
        until("the pool says so", lambda: metrics() == ("False", "ConsumersUnknown"), seconds=25)
        assert [job.get(30) for job in jobs] == [1] * (SLOTS + MORE)
        until("the other is ready", lambda: len(ready(namespace, impatient)) == 2, seconds=20)
        until(
            "the broker's figures show that all is done",
            lambda: not status_of(namespace, impatient)["unacked"],
            seconds=15,
        )
        time.sleep(SILENT_SECONDS)
        status = status_of(namespace, impatient)
        diary.say(status["message"])
        assert (status["reason"], status["unacked"], status["desiredReplicas"]) == ("ConsumersUnknown", 0, 2)
        assert len(ready(namespace, impatient)) == 2
    until("they are heard of again", lambda: metrics() == ("True", "Fresh"), seconds=15)
    until("the pool sleeps", lambda: replicas(namespace, impatient) == 0, seconds=20)


def test_a_pool_whose_tasks_nobody_takes_says_that_it_is_stalled(
    namespace: Namespace, untaken: Job[Any], client: Client, diary: Diary
) -> None:
    pool, stalled = f"consumerpool/{CRASHING}", partial(told, namespace, CRASHING, "Stalled")
    until("it says so", lambda: stalled() == ("True", "NobodyTakesTasks"), seconds=75)
    described = namespace.run("describe", pool)
    diary.say("\n".join(line for line in described.splitlines() if "nobody takes any" in line))
    assert "do the pods run, and consume this queue?" in described
    warned = ("events", "--for", pool, "--types=Warning")
    until("there is an Event of it", lambda: "NobodyTakesTasks" in namespace.run(*warned), seconds=15)
    set_concurrency(namespace, "4")
    assert client.job(untaken.id).get(40) == 4
    until("it is no longer", lambda: stalled() == ("False", "Working"), seconds=15)

    namespace.patch("consumerpool", CRASHING, {"scaleTargetRef": {"name": "nobody"}})
    try:
        until("its Deployment is missed", lambda: stalled() == ("True", "DeploymentNotFound"), seconds=15)
        assert "DeploymentNotFound" in namespace.run("get", pool)
    finally:
        namespace.patch("consumerpool", CRASHING, {"scaleTargetRef": {"name": deployment(CRASHING)}})
    until("it is there", lambda: stalled() == ("False", "Working"), seconds=15)
