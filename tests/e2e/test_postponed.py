"""Tasks that are to wait: thousands of different delays at once, and delays of all while one pool is full."""

import time
from collections.abc import Iterator
from statistics import fmean
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.e2e import broker, thousand
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import hold, let_go
from tests.e2e.shell import Shell
from tests.e2e.store import Store
from tests.e2e.workshop import Workshop
from tests.e2e.workshop_tasks import POOL
from warren.client import Client, Job
from warren.client.documents import TaskDocument
from warren.pool import Pool

pytestmark = pytest.mark.timeout(300)

DELAYS = 10_000
SHORTEST_SECONDS, LONGEST_SECONDS = 13.0, 26.0
TOGETHER, STRIDE = 2000, 7
"""Of so many delays that are near to each other long and short ones are submitted in turn: a queue in which one stands
before another shows. Over all they grow, so that what is due comes as evenly as two cores can do it."""
AT_ONCE = 8_000
"""Of the delays at least that many are not over when the last task is accepted, which a slow machine takes time for."""
LATE_SECONDS = 5.0
"""The second of the delays themselves is for a queue; a consumer that shares two cores with all else takes its time."""
SAMPLE = 100

ROOM = 200
"""How many tasks the full pool's queue holds."""
KEPT_BACK = 1200
"""More than twice as many as a queue of the release has on their way to the next one at once."""
DELAY_SECONDS = 3.0
OFFERED_AGAIN_MS = 1000
OTHERS = 20


def test_ten_thousand_different_delays_are_each_met(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    delays = list(_delays())
    assert len(set(delays)) == DELAYS
    hold(namespace, workshop.pool, 1)
    store = Store(namespace)
    open_before, began = store.open, time.time()
    jobs = client.submit_many(_work("chime", delay) for delay in delays)
    diary.say(f"{DELAYS} tasks were accepted after {time.time() - began:.1f} s")
    due = {job.id: _submitted_at(job) + delay for job, delay in zip(jobs, delays, strict=True)}
    waiting = sum(time.time() < at for at in due.values())
    assert waiting > AT_ONCE, f"only {waiting} waited at once"
    time.sleep(max(due.values()) - time.time())
    until("all have come to their end", lambda: thousand.count_ended(workshop, jobs) >= DELAYS, seconds=10)
    until("no record of theirs is open", lambda: store.open <= open_before, seconds=10)

    rows = workshop.rows()
    assert [task_id for task_id in due if (rows.started[task_id], rows.ended[task_id]) != (1, 1)] == []
    late = [rows.starts[job.id][0] - due[job.id] for job in jobs]
    diary.say(
        f"they were started {min(late):.2f} to {max(late):.2f} s after their time, on average {fmean(late):.2f} s"
    )
    assert min(late) >= 0
    assert max(seconds - delay / 100 for seconds, delay in zip(late, delays, strict=True)) <= LATE_SECONDS
    assert thousand.judge(thousand.ended(client, jobs[:: DELAYS // SAMPLE]), rows, diary) == 0
    assert not list(client.dead_letters(task="chime"))
    workshop.forget_rows()


@pytest.fixture(name="full")
def _full(namespace: Namespace, workshop: Workshop) -> Iterator[Pool]:
    """Have nobody work for the pool, and its queue hold little; what it keeps back is offered again soon."""
    pool, shell = Pool(name=workshop.pool), Shell(namespace)
    hold(namespace, "cpu", 1)
    hold(namespace, pool.name, 0)
    with broker.offering_again(namespace, OFFERED_AGAIN_MS):
        broker.rabbitmqctl(namespace, "delete_queue", pool.due_queue)
        assert shell.tried("topology", "apply", environment=shell.topology).returncode == 0
    with broker.full(namespace, pool.queue, ROOM):
        yield pool
    let_go(namespace, "cpu")


def test_a_full_pool_refuses_keeps_back_its_own_and_harms_no_other(
    namespace: Namespace, full: Pool, workshop: Workshop, client: Client, api: str, diary: Diary
) -> None:
    filled, refusal = _filled(client, api)
    diary.say(f"after {len(filled)} tasks, in {refusal.elapsed.total_seconds():.2f} s: {refusal.text}")
    assert (refusal.status_code, refusal.json()["code"]) == (503, "broker-unavailable")
    assert "full" in refusal.json()["detail"]
    assert int(refusal.headers["Retry-After"]) >= 1
    assert refusal.elapsed.total_seconds() < 1
    kept_back = client.submit_many([_work("carve", DELAY_SECONDS)] * KEPT_BACK)
    time.sleep(DELAY_SECONDS)

    echo = {"task": "echo", "args": {"text": "other"}, "options": {"pool": "cpu"}}
    assert client.submit_many([echo])[0].get(5) == "other"
    others = client.submit_many([echo | {"options": {"pool": "cpu", "delay_seconds": DELAY_SECONDS}}] * OTHERS)
    records = thousand.ended(client, others)
    late = [_lateness(record) for record in records]
    diary.say(f"the other pool's delayed tasks were started {min(late):.2f} to {max(late):.2f} s after their time")
    assert max(late) <= 1 + DELAY_SECONDS / 100
    assert client.job(kept_back[-1].id).record().attempt == 0

    hold(namespace, full.name, 1)
    with diary.stage("what was kept back comes, with room for few at a time"):
        records = thousand.ended(client, [*filled, *kept_back])
    refused = client.job(_submitted(api, len(filled)).json()["id"])
    records += thousand.ended(client, [refused])
    assert thousand.judge(records, workshop.rows(), diary) == 0


def _filled(client: Client, api: str) -> tuple[list[Job[object]], httpx2.Response]:
    """Submit to the full pool until it refuses; return what it has taken, and the refusal."""
    jobs = client.submit_many([_work("carve")] * ROOM)
    while (answer := _submitted(api, len(jobs))).is_success:
        jobs.append(client.job(answer.json()["id"]))
        assert len(jobs) < 2 * ROOM, "it never refuses"
    return jobs, answer


def _submitted(api: str, number: int) -> httpx2.Response:
    headers = {"Idempotency-Key": f"full-{number}"}
    return httpx2.post(f"{api}/v1/tasks", json=_work("carve"), headers=headers, timeout=10)


def _submitted_at(job: Job[object]) -> float:
    """Return when a task's id was made, which is right before its record: a UUIDv7 begins with that time."""
    return (UUID(job.id).int >> 80) / 1000


def _lateness(record: TaskDocument) -> float:
    """Return how long after its time a task of the other pool was started, in seconds."""
    assert record.started_at is not None
    assert record.submitted_at is not None
    return (record.started_at - record.submitted_at).total_seconds() - DELAY_SECONDS


def _delays() -> Iterator[float]:
    """Name the delays, in whole milliseconds."""
    step = (LONGEST_SECONDS - SHORTEST_SECONDS) / DELAYS
    for first in range(0, DELAYS, TOGETHER):
        for number in range(TOGETHER):
            yield round(SHORTEST_SECONDS + step * (first + number * STRIDE % TOGETHER), 3)


def _work(task: str, delay: float = 0.0) -> dict[str, Any]:
    args = {"seconds": 0} if task == "carve" else {}
    return {"task": task, "args": args, "options": {"pool": POOL, "delay_seconds": delay}}
