"""Pods die; tasks and training runs end all the same, and once."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import hold, let_go
from tests.e2e.training import ended, iris
from warren.client import Client
from warren.client.documents import TaskDocument
from warren.client.synchronous import Job
from warren.record import State

pytestmark = pytest.mark.timeout(300)

OPERATOR = "app.kubernetes.io/component=operator"
KILLS = 3
BUSY, WAITING = 8, 20


def test_an_operator_killed_at_random_moments_comes_to_the_same_end(
    namespace: Namespace, api: str, diary: Diary
) -> None:
    seed = time.time_ns() % 1000
    chance = random.Random(seed)  # noqa: S311 - no secret
    moments = sorted(chance.uniform(0, 12) for _ in range(KILLS))
    namespace.apply(iris("orphan"))
    began = time.monotonic()
    for moment in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        for pod in namespace.names("pods", OPERATOR):
            namespace.kill(pod)
    diary.say(f"killed after {', '.join(f'{moment:.1f}' for moment in moments)} s (seed {seed})")
    job = ended(namespace, "orphan", seconds=90)
    diary.say(f"{job.phase} after {time.monotonic() - began:.1f} s, attempt {job.status['attempt']}")
    assert (job.phase, job.status["attempt"]) == ("Complete", 1)
    versions = httpx2.get(f"{api}/v1/models/orphan").json()["versions"]
    assert [version["version"] for version in versions] == [job.document["metadata"]["uid"]]


def test_a_task_whose_consumer_is_killed_ends_once(namespace: Namespace, client: Client, diary: Diary) -> None:
    job = client.submit("sleep", seconds=5)
    until("the task is started", lambda: job.status is State.STARTED, seconds=30)
    pod = (job.record().consumer or "").split("/")[1]
    time.sleep(1)
    namespace.kill(f"pod/{pod}")
    record = job.wait(75)
    diary.say(f"killed {pod}; {record.status} with attempt {record.attempt}")
    assert (record.status, record.attempt, record.failures) == (State.SUCCEEDED, 2, 0)


def test_a_broker_and_a_store_that_are_deleted_cost_a_wait_and_no_task(
    namespace: Namespace, client: Client, diary: Diary
) -> None:
    hold(namespace, "cpu", 1)
    busy = [client.submit("sleep", seconds=20) for _ in range(BUSY)]
    until("all slots are busy", lambda: all(job.status is State.STARTED for job in busy), seconds=10)
    waiting = [client.submit("echo", text=f"task {number}") for number in range(WAITING)]
    namespace.run("delete", "pod", "warren-rabbitmq-0", "warren-valkey-0", "--wait=false")
    with diary.stage("RabbitMQ and Valkey are deleted and come back"):
        time.sleep(1)
        namespace.await_rollout("statefulset/warren-rabbitmq")
        namespace.await_rollout("statefulset/warren-valkey")
    let_go(namespace, "cpu")
    with ThreadPoolExecutor() as several:
        assert list(several.map(_result, waiting)) == [f"task {number}" for number in range(WAITING)]
        records = list(several.map(_record, busy))
    assert [(record.status, record.attempt) for record in records] == [(State.SUCCEEDED, 1)] * BUSY


def _record(job: Job) -> TaskDocument:
    return job.wait(60)


def _result(job: Job) -> object:
    return job.get(60)
