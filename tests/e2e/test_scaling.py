"""Pools are scaled: awake at once, up with the backlog, down without harm, within their bounds, others' workers too."""

import asyncio
import itertools
import math
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.e2e import foreign
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace, Sequence
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, let_go, ready, replicas, resize
from tests.e2e.release import Release
from tests.e2e.workshop import SLOTS, Workshop
from tools.cluster.layout import FAKE_GPUS
from warren.client import Client, Job
from warren.record import State

BURST = 200
METRIC_SECONDS = 1 + 2
"""RabbitMQ's statistics in the release, and the scrape."""
WAKE_SECONDS = 0.5
SHORT, SHORTS = 0.3, 16
LONG, LONGS = 8.0, 2
PROMETHEUS = "deployment/warren-prometheus"
WANTED = "{.spec.replicas}"

pytestmark = pytest.mark.timeout(300)


def pool_status(namespace: Namespace, pool: str) -> dict[str, Any]:
    """Return the status of a ConsumerPool."""
    found: dict[str, Any] = namespace.get("consumerpool", pool).get("status", {})
    return found


def condition(namespace: Namespace, pool: str, kind: str) -> dict[str, Any]:
    """Return a condition of a ConsumerPool; nothing, when it has none of that type."""
    found = pool_status(namespace, pool).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


def events(namespace: Namespace, pool: str) -> str:
    """Return the Events of a ConsumerPool."""
    return namespace.run("events", "--for", f"consumerpool/{pool}")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_sleeping_pool_is_woken_at_once(namespace: Namespace, client: Client, diary: Diary, rounds: int) -> None:
    """From the answer to a submit, which follows the broker's confirm, to the scale patch: no figure is as quick."""
    waits, firsts = [], []
    with namespace.watched(f"deployment/{deployment('cpu')}", WANTED) as counts:
        for number in range(rounds):
            until("the pool sleeps", lambda: replicas(namespace, "cpu") == 0, seconds=60)
            before = time.monotonic()
            job = client.submit("echo", text=str(number))
            confirmed = time.monotonic()
            patched = until("it is woken", partial(counts.first, before, awake), seconds=30)
            assert job.get(60) == str(number)
            waits.append(patched - confirmed)
            firsts.append(time.monotonic() - confirmed)
    p95 = sorted(waits)[math.ceil(0.95 * rounds) - 1]
    diary.say(f"confirm to patch: {', '.join(f'{wait:.2f}' for wait in waits)} s; p95 {p95:.2f} s")
    diary.say(f"to the first result: median {statistics.median(firsts):.1f} s, at most {max(firsts):.1f} s")
    assert p95 < WAKE_SECONDS
    assert any(reason in events(namespace, "cpu") for reason in ("ScaledWoken", "ScaledBacklog"))


def test_a_burst_is_answered_within_two_periods_of_the_metrics(
    namespace: Namespace, client: Client, diary: Diary
) -> None:
    namespace.patch("consumerpool", "cpu", {"minReplicas": 1})
    try:
        until("one consumer is ready", lambda: len(ready(namespace, "cpu")) == 1, seconds=60)
        with namespace.watched(f"deployment/{deployment('cpu')}", WANTED) as counts:
            time.sleep(2 * METRIC_SECONDS)
            began = time.monotonic()
            jobs = client.submit_many({"task": "sleep", "args": {"seconds": 1}} for _ in range(BURST))
            patched = until(
                "there are more", lambda: counts.first(began, lambda one: one not in {"0", "1"}), seconds=30
            )
            diary.say(f"{BURST} tasks: the patch came after {patched - began:.1f} s; {counts}")
            assert ended(jobs) == {(State.SUCCEEDED, 1)}
            assert patched - began < 2 * METRIC_SECONDS
    finally:
        namespace.patch("consumerpool", "cpu", {"minReplicas": 0})


@pytest.fixture(name="small_workshop")
def _small_workshop(namespace: Namespace, workshop: Workshop) -> Iterator[Workshop]:
    """Let each of the workshop's consumers work on two tasks at once, and the pool have four of them."""
    resize(namespace, workshop.pool, slots=2, most=4)
    yield workshop
    resize(namespace, workshop.pool, slots=SLOTS, most=2)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_no_task_is_interrupted_when_replicas_go(
    namespace: Namespace, small_workshop: Workshop, client: Client, diary: Diary, rounds: int
) -> None:
    """Long tasks run on while the short ones come to their end, and replicas go meanwhile."""
    pool, jobs = small_workshop.pool, []
    with namespace.watched(f"deployment/{deployment(pool)}", WANTED) as counts:
        for _ in range(rounds):
            seen = falls(counts)
            jobs += submit(client, pool, LONG, LONGS) + submit(client, pool, SHORT, SHORTS)
            until("some replicas go", partial(fewer, counts, seen), seconds=60)
        diary.say(f"{falls(counts)} times fewer replicas: {counts}")
        assert ended(jobs) == {(State.SUCCEEDED, 1)}
        submit(client, pool, LONG, 1)  # somebody has to be there who can read the rows
        rows = small_workshop.rows()
    again = {job.id: rows.started[job.id] for job in jobs if rows.started[job.id] != 1}
    assert again == {}, "tasks that were begun more than once"
    assert all(rows.ended[job.id] == 1 for job in jobs)


def submit(client: Client, pool: str, seconds: float, count: int) -> list[Job[Any]]:
    """Submit tasks of that length."""
    request = {"task": "carve", "args": {"seconds": seconds}, "options": {"pool": pool}}
    return client.submit_many(request for _ in range(count))


def awake(count: str) -> bool:
    """Return whether so many replicas are any."""
    return count not in {"", "0"}


def fewer(counts: Sequence, times: int) -> bool:
    """Return whether there were fewer replicas than before more often than that."""
    return falls(counts) > times


def falls(counts: Sequence) -> int:
    """Return how often there were fewer replicas than before."""
    values = [int(value) for value in counts.values if value]
    return sum(later < earlier for earlier, later in itertools.pairwise(values))


def ended(jobs: list[Job[Any]]) -> set[tuple[State, int]]:
    """Return how the tasks ended, and in which attempt."""
    with ThreadPoolExecutor(16) as several:
        return {(record.status, record.attempt) for record in several.map(lambda job: job.wait(120), jobs)}


def test_what_is_scaled_by_hand_is_pulled_back(namespace: Namespace, workshop: Workshop) -> None:
    pool = workshop.pool
    let_go(namespace, pool)
    most = int(namespace.get("consumerpool", pool)["spec"]["maxReplicas"])
    namespace.run("scale", f"deployment/{deployment(pool)}", f"--replicas={most + 3}")
    until("there are no more than the most", lambda: replicas(namespace, pool) <= most, seconds=15)
    fall_asleep(namespace, pool)
    namespace.patch("consumerpool", pool, {"minReplicas": 1})
    until("there is the least", lambda: replicas(namespace, pool) == 1, seconds=15)
    namespace.run("scale", f"deployment/{deployment(pool)}", "--replicas=0")
    until("there is the least again", lambda: replicas(namespace, pool) == 1, seconds=15)
    namespace.patch("consumerpool", pool, {"minReplicas": 0})
    assert "AboveMaximum" in events(namespace, pool)


def test_a_pause_holds(namespace: Namespace, workshop: Workshop) -> None:
    pool = workshop.pool
    let_go(namespace, pool)
    pause = f"consumerpool/{pool}"
    namespace.run("annotate", pause, "warren.dev/paused-replicas=1")
    until("it says so", lambda: condition(namespace, pool, "Limited").get("reason") == "Paused", seconds=15)
    time.sleep(10)  # long enough to fall asleep, were it not paused
    assert replicas(namespace, pool) == 1
    namespace.run("annotate", pause, "warren.dev/paused-replicas-")
    fall_asleep(namespace, pool)


def test_pools_go_on_while_prometheus_is_away(namespace: Namespace, client: Client, diary: Diary) -> None:
    def told() -> str:
        return str(condition(namespace, "cpu", "MetricsAvailable").get("reason"))

    fall_asleep(namespace, "cpu")
    namespace.run("scale", PROMETHEUS, "--replicas=0")
    try:
        until("RabbitMQ itself is asked", lambda: told() == "FromBroker", seconds=60)
        diary.say(condition(namespace, "cpu", "MetricsAvailable")["message"])
        jobs = client.submit_many({"task": "sleep", "args": {"seconds": 1}} for _ in range(30))
        assert ended(jobs) == {(State.SUCCEEDED, 1)}
        fall_asleep(namespace, "cpu")
    finally:
        namespace.run("scale", PROMETHEUS, "--replicas=1")
        namespace.await_rollout(PROMETHEUS)
    until("Prometheus is asked again", lambda: told() == "Fresh", seconds=60)


PICKY = "picky"


@pytest.fixture(name="picky")
def _picky(namespace: Namespace) -> Iterator[str]:
    """Have a pool whose pods no node is good enough for."""
    pod = namespace.get("deployment", deployment("cpu"))["spec"]["template"]["spec"]
    container = {key: pod["containers"][0][key] for key in ("name", "image", "imagePullPolicy", "securityContext")}
    labels = {"app": PICKY}
    wish = {"nodeSelector": {"warren.dev/there-is": "none"}, "securityContext": pod["securityContext"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **wish}}
    metadata = {"name": PICKY, "labels": labels}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    namespace.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    scaling = {"queue": "warren.tasks.train-cpu", "scaleTargetRef": {"name": PICKY}, "minReplicas": 1}
    namespace.apply(
        {"apiVersion": "warren.dev/v1alpha1", "kind": "ConsumerPool", "metadata": metadata, "spec": scaling}
    )
    yield PICKY
    for kind in ("consumerpool", "deployment"):
        namespace.run("delete", kind, PICKY, "--timeout=60s")


def test_the_schedulers_words_are_in_the_pools_condition(namespace: Namespace, picky: str, diary: Diary) -> None:
    def told() -> str:
        found = condition(namespace, picky, "Limited")
        return str(found["message"]) if found.get("reason") == "Unschedulable" else ""

    message = until("the pool says that its pod finds no node", told, seconds=40)
    diary.say(message)
    assert "node(s) didn't match" in message
    until("there is an Event of it", lambda: "Unschedulable" in events(namespace, picky), seconds=15)


GPUS = "gpu"
GPU_VALUES = (
    f"pools.{GPUS}.enabled=true",
    f"pools.{GPUS}.component=consumer",
    f"pools.{GPUS}.concurrency=1",
    f"pools.{GPUS}.maxReplicas={FAKE_GPUS + 1}",
    f"pools.{GPUS}.resources.requests.cpu=50m",
    f"pools.{GPUS}.scaleDown.stabilizationSeconds=5",
)
"""The chart's own pool of consumers with an accelerator each, one more than the node says that it has."""


@pytest.fixture(name="gpus")
def _gpus(release: Release, diary: Diary) -> str:
    """Have that pool."""
    with diary.stage("helm upgrade with a pool of accelerators"):
        release.upgrade(*GPU_VALUES)
    return GPUS


def test_a_pool_takes_the_accelerators_that_there_are_and_gives_them_back(
    namespace: Namespace, gpus: str, client: Client, diary: Diary
) -> None:
    def told() -> str:
        found = condition(namespace, gpus, "Limited")
        return str(found["message"]) if found.get("reason") == "Unschedulable" else ""

    with namespace.watched(f"deployment/{deployment(gpus)}", WANTED) as counts:
        request = {"task": "sleep", "args": {"seconds": 6}, "options": {"pool": gpus}}
        jobs = client.submit_many([request] * (FAKE_GPUS + 1))
        message = until("the pool says that it finds no more", told, seconds=40)
        assert "Insufficient nvidia.com/gpu" in message
        until("all that there are work", lambda: len(ready(namespace, gpus)) == FAKE_GPUS, seconds=40)
        assert ended(jobs) == {(State.SUCCEEDED, 1)}
        fall_asleep(namespace, gpus)
    diary.say(f"{counts}\n{message}")
    assert max(counts.values) == str(FAKE_GPUS + 1)


@pytest.fixture(name="celery")
def _celery(namespace: Namespace) -> Iterator[str]:
    """Have Celery workers that a pool scales; yield the broker's URL."""
    foreign.deploy(namespace)
    with namespace.forwarded("warren-rabbitmq", 5672) as address:
        url = f"amqp://warren-topology:{namespace.credential('warren-topology')}@{address}/"
        yield url
        foreign.remove(namespace)
        asyncio.run(foreign.forget(url))


@pytest.mark.long
def test_a_celery_workers_deployment_is_scaled(namespace: Namespace, celery: str, diary: Diary) -> None:
    with namespace.watched(f"deployment/{foreign.NAME}", WANTED) as counts:
        began = time.monotonic()
        asyncio.run(foreign.publish(celery, [1.0] * 12))
        until("two workers are wanted", lambda: counts.first(began, lambda one: one == "2"), seconds=40)
        until("somebody works", lambda: pool_status(namespace, foreign.NAME).get("unacked"), seconds=90)
        # A worker that goes from one task to the next at once does not send the first one's ack before the second ends.
        until("these are done", lambda: work(namespace) == 0, seconds=60, every=0.1)
        asyncio.run(foreign.publish(celery, [15.0]))
        until(
            "one task alone is under way, and one worker is enough for it",
            lambda: (work(namespace), counts.values[-1]) == (1, "1"),
            seconds=60,
        )
        until("all is done and the pool sleeps", lambda: (work(namespace), counts.values[-1]) == (0, "0"), seconds=60)
        diary.say(str(counts))
    assert "estimatedWaitSeconds" not in pool_status(namespace, foreign.NAME), "nobody knows how fast they are"


def work(namespace: Namespace) -> int:
    """Return what the pool of Celery's workers has to do, as the operator sees it."""
    found = pool_status(namespace, foreign.NAME)
    return int(found.get("ready", 0)) + int(found.get("unacked", 0))
