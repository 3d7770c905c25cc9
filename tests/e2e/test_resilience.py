"""Pods die; tasks and training runs end all the same, and once."""

import random
import time

import httpx2
import pytest

from tests.e2e import thousand
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.node import Node
from tests.e2e.patience import until
from tests.e2e.pools import deaths, hold, let_go
from tests.e2e.store import Store
from tests.e2e.training import ended, iris
from tests.e2e.workshop import MEMORY_MEBIBYTES, SLOTS, Workshop
from warren.client import Client

pytestmark = pytest.mark.timeout(300)

OPERATOR = "app.kubernetes.io/component=operator"
SYSTEM = "app.kubernetes.io/component=system"
PRODUCER = "app.kubernetes.io/component=producer"
KILLS = 3


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


def test_a_thousand_tasks_end_once_though_everything_dies(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    hold(namespace, workshop.pool, 2)
    jobs = thousand.accepted(client, workshop, "resilience", 0.5)
    # More than the pod may have: the kernel kills the consumer.
    before = deaths(namespace, workshop.pool)
    urgent = {"pool": workshop.pool, "priority": "high"}
    burst = client.submit("burst", mebibytes=2 * MEMORY_MEBIBYTES, options=urgent)
    until("a consumer is killed", lambda: deaths(namespace, workshop.pool) > before, seconds=30)
    for selector in (SYSTEM, PRODUCER):
        for pod in namespace.names("pods", selector):
            namespace.kill(pod)
    diary.say("a consumer, the system pool's pod and the producer are killed")
    for pod in ("warren-valkey-0", "warren-rabbitmq-0"):
        ended_so_far = thousand.count_ended(workshop, jobs)
        assert ended_so_far < len(jobs), "there is work to lose"
        with diary.stage(f"{pod} is killed with {ended_so_far} of {len(jobs)} ended, removed, and comes back"):
            Node(namespace).kill(pod)
            namespace.renew(pod)
    namespace.await_rollout("deployment/warren-producer")
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as again:
        records = thousand.ended(again, jobs)
        assert again.job(burst.id).get(30) == 2
    let_go(namespace, workshop.pool)
    done_again = thousand.judge(records, workshop.rows(), diary)
    assert 0 < done_again < SLOTS, "what the killed consumer worked on is done again, and nothing else"
    store = Store(namespace)
    until("no task is open, no reply is due", lambda: store.open + store.due == 0, seconds=20)
