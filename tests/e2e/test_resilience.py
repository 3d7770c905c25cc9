"""Pods die; tasks and training runs end all the same, and once."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import SELECTOR, hold, let_go
from tests.e2e.store import Store
from tests.e2e.training import ended, iris
from tests.e2e.workshop import MEMORY_MEBIBYTES, SLOTS, Rows, Workshop
from warren.client import Client, Job
from warren.client.batch import BatchRefusedError
from warren.client.documents import TaskDocument
from warren.record import State

pytestmark = pytest.mark.timeout(300)

OPERATOR = "app.kubernetes.io/component=operator"
SYSTEM = "app.kubernetes.io/component=system"
PRODUCER = "app.kubernetes.io/component=producer"
KILLS = 3
TASKS = 1000


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
    jobs = until("all tasks are accepted", lambda: _accepted(client, workshop.pool), seconds=30)

    def count() -> int:
        ended = workshop.rows().ended
        return sum(ended[job.id] for job in jobs)

    until("work is under way", count, seconds=20)
    # More than the pod may have: the kernel kills the consumer.
    before = _deaths(namespace, workshop.pool)
    urgent = {"pool": workshop.pool, "priority": "high"}
    burst = client.submit("burst", mebibytes=2 * MEMORY_MEBIBYTES, options=urgent)
    until("a consumer is killed", lambda: _deaths(namespace, workshop.pool) > before, seconds=30)
    for pod in namespace.names("pods", SYSTEM):
        namespace.kill(pod)
    diary.say("a consumer and the system pool's pod are killed")
    for pod in ("warren-valkey-0", "warren-rabbitmq-0"):
        with diary.stage(f"{pod} is cut off and comes back"):
            namespace.renew(pod)
        diary.say(f"{count()} of {TASKS} have ended")
    with diary.stage("the producer is killed and comes back"):
        namespace.replace(PRODUCER)
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as again:
        records = _ended(again, [job.id for job in jobs])
        assert again.job(burst.id).get(30) == 2
    let_go(namespace, workshop.pool)
    _judge(records, workshop.rows(), diary)
    store = Store(namespace)
    until("no task is open, no reply is due", lambda: store.open + store.due == 0, seconds=20)


def _accepted(client: Client, pool: str) -> list[Job[Any]] | None:
    """Submit the tasks; None where some were refused. Those that were not are not submitted twice."""
    work = {"task": "carve", "args": {"seconds": 0.5}, "options": {"pool": pool}}
    with suppress(BatchRefusedError):
        return client.submit_many([work] * TASKS, idempotency_key="resilience")
    return None


def _deaths(namespace: Namespace, pool: str) -> int:
    """Return how often consumers of the pool have died and were started again."""
    pods = namespace.all("pods", SELECTOR + pool)
    return sum(status["restartCount"] for pod in pods for status in pod["status"].get("containerStatuses", []))


def _ended(client: Client, task_ids: list[str]) -> list[TaskDocument]:
    with ThreadPoolExecutor(16) as several:
        return list(several.map(lambda task_id: client.job(task_id).wait(60), task_ids))


def _judge(records: list[TaskDocument], rows: Rows, diary: Diary) -> None:
    """Hold the records against what the tasks themselves have written."""
    attempts = Counter(record.attempt for record in records)
    diary.say(f"attempts of the {len(records)} tasks: {dict(attempts)}")
    assert Counter((record.status, record.failures) for record in records) == {(State.SUCCEEDED, 0): TASKS}
    assert [record.id for record in records if record.result != record.attempt] == [], "a fenced-out result"
    once = [record.id for record in records if record.attempt == 1]
    assert [task_id for task_id in once if (rows.started[task_id], rows.ended[task_id]) != (1, 1)] == []
    again = [record for record in records if record.attempt > 1]
    assert 0 < len(again) < SLOTS, "what the killed consumer worked on is done again, and nothing else"
    assert [record.id for record in again if not 1 <= rows.ended[record.id] <= record.attempt] == []
