"""What is promised of a task's life: its turn, its attempts, its result's life, its end among the dead letters."""

import json
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from tests.e2e.broker import rabbitmqctl
from tests.e2e.bucket import BUCKET, Bucket, objects
from tests.e2e.diary import Diary
from tests.e2e.lost import Lost
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import deaths, hold, ready
from tests.e2e.shell import Shell
from tests.e2e.store import Store
from tests.e2e.workshop import SLOTS, Rows, Workshop
from tests.e2e.workshop_tasks import FALTERS, KNOCKS, POOL
from warren.client import Client
from warren.client.dead_letter import MAX_REPLAYS
from warren.client.documents import TaskDocument
from warren.record import State
from warren.records import UNACCEPTED_SECONDS
from warren.settlement import BACKOFF_SECONDS
from warren.tasks import MAX_INLINE_BYTES, new_task_id
from warren_consumer.system.orphans import EMPTY_SECONDS
from warren_consumer.system.sweeping import STALE_SECONDS

pytestmark = pytest.mark.timeout(300)

LIFE_SECONDS = 90_000
"""Of an ended record, by the values of this installation."""

HERE = {"pool": POOL}
SYSTEM = "app.kubernetes.io/component=system"
WAVES, URGENT = 3, 8
"""How often a consumer's slots are filled by what waits, and how many tasks are urgent."""
BUSY_SECONDS = 3.0
"""How long all slots are taken at first: by then all else was submitted."""
AFTER_SECONDS = 2.0
MANY = 20
"""Enough for chance to be seen."""
UNHURRIED_SECONDS = 30
LOOKED_SECONDS = 30
"""How much later than their time lost tasks are seen at the most: figures come every 5 s, and a look every 2 s."""


@pytest.fixture(autouse=True)
def _awake(namespace: Namespace, workshop: Workshop) -> None:
    """Have one consumer of the pool."""
    hold(namespace, workshop.pool, 1)


def test_urgent_tasks_overtake_retries_come_in_time_and_results_have_their_life(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    store = Store(namespace)
    client.submit_many([_carving(BUSY_SECONDS)] * SLOTS)
    waiting = client.submit_many([_carving(0.3)] * (WAVES * SLOTS))
    urgent = client.submit_many([_carving(0.3, priority="high")] * URGENT)
    knocking = client.submit("knock", after=AFTER_SECONDS, options=HERE)
    given_up = client.submit("knock", after=0, options=HERE | {"max_attempts": 2})
    delayed = client.submit("carve", seconds=0, options=HERE | {"delay_seconds": 3600})
    faltering = client.submit_many([{"task": "falter", "args": {"declared": True}, "options": HERE}] * MANY)
    refused = client.submit("falter", declared=False, options=HERE)

    records = [job.wait(30) for job in (*waiting, *urgent)]
    order = [record.id for record in sorted(records, key=lambda record: str(record.started_at))]
    turns = sorted(order.index(job.id) for job in urgent)
    diary.say(f"of {len(records)} tasks the urgent ones, which came last, were started at the turns {turns}")
    assert turns[-1] < 2 * SLOTS

    pauses = knocking.get(UNHURRIED_SECONDS)
    diary.say(f"asked to come {AFTER_SECONDS} s later, it came after {pauses} s")
    assert len(pauses) == KNOCKS - 1
    assert all(AFTER_SECONDS <= pause <= AFTER_SECONDS * 1.01 + 1 for pause in pauses)
    assert (knocking.record().attempt, knocking.record().failures) == (KNOCKS, KNOCKS - 1)
    end = given_up.wait(UNHURRIED_SECONDS)
    assert (end.status, end.error and end.error.code, end.attempt) == (State.FAILED, "retry", 2)

    _judge_pauses([job.wait(UNHURRIED_SECONDS) for job in faltering], workshop.rows(), diary)
    end = refused.wait(UNHURRIED_SECONDS)
    assert (end.status, end.error and end.error.code, end.attempt) == (State.FAILED, "exception", 1)

    life = until("the life of an ended record runs", lambda: store.life(urgent[0].id), seconds=5)
    assert LIFE_SECONDS - 60 < life <= LIFE_SECONDS
    assert store.life(delayed.id) is None
    assert delayed.cancel().status is State.CANCELED
    client.dead_letters().discard(given_up.id)
    assert len(client.dead_letters(task="falter").discard_many()) == MANY + 1


def test_failed_tasks_are_inspected_replayed_but_not_for_ever_and_discarded(
    namespace: Namespace, workshop: Workshop, client: Client, api: str
) -> None:
    shell, letters = Shell(namespace), f"{api}/v1/dead-letters"
    client.dead_letters(task="assemble").discard_many()  # those of other scenarios
    part = f"axle-{time.time_ns()}"
    work = {"task": "assemble", "args": {"part": part}, "options": HERE}
    first, *others, given_up = client.submit_many([work] * 4)
    for job in (first, *others, given_up):
        assert job.wait(UNHURRIED_SECONDS).status is State.FAILED
    listed = httpx2.get(letters, params={"task": "assemble", "limit": 3}).json()
    rest = httpx2.get(letters, params={"task": "assemble", "after": listed["next"]}).json()
    assert {letter["id"] for letter in listed["dead_letters"] + rest["dead_letters"]} == {
        job.id for job in (first, *others, given_up)
    }
    letter = httpx2.get(f"{letters}/{first.id}").json()
    assert (letter["attempt"], letter["error"]["code"], letter["payload"]) == (1, "exception", {"part": part})
    assert "FileNotFoundError" in letter["error"]["traceback"]

    last = first.id
    for _ in range(MAX_REPLAYS):
        answer = httpx2.post(f"{letters}/{last}/replay", timeout=10)
        assert answer.status_code == HTTPStatus.ACCEPTED
        last = answer.json()["id"]
        assert client.job(last).wait(UNHURRIED_SECONDS).status is State.FAILED
    refused = httpx2.post(f"{letters}/{last}/replay", timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, "replay-limit")

    assert httpx2.delete(f"{letters}/{given_up.id}").is_success
    workshop.put_on_the_shelf(part)
    done = shell.tried("dead-letters", "replay", "--all", "--task", "assemble", "--yes", "-o", "json")
    treated = {one["id"]: one for one in json.loads(done.stdout)}
    assert {task_id: one["fate"] for task_id, one in treated.items()} == {
        last: "refused",
        **{job.id: "replayed" for job in others},
    }
    assert [client.job(treated[job.id]["task_id"]).get(UNHURRIED_SECONDS) for job in others] == [part] * len(others)
    assert [one["fate"] for one in shell.document("dead-letters", "discard", last)] == ["discarded"]
    assert httpx2.get(letters, params={"task": "assemble"}).json()["dead_letters"] == []
    assert "payload" not in httpx2.get(f"{letters}/{given_up.id}").json()


def test_a_consumer_is_ready_only_while_it_takes_from_its_queue(
    namespace: Namespace, workshop: Workshop, client: Client, api: str, diary: Diary
) -> None:
    shell, deaths_before = Shell(namespace), deaths(namespace, workshop.pool)
    (pod,) = ready(namespace, workshop.pool)

    def submitted() -> httpx2.Response:
        key = {"Idempotency-Key": f"queueless-{pod}"}
        return httpx2.post(f"{api}/v1/tasks", json=_carving(0), headers=key, timeout=10)

    rabbitmqctl(namespace, "delete_queue", f"warren.tasks.{POOL}")
    try:
        answer = submitted()
        until("the consumer is not ready", lambda: not ready(namespace, workshop.pool), seconds=30)
    finally:
        applied = shell.tried("topology", "apply", environment=shell.topology)
    diary.say(f"{answer.text}\n{applied.stdout}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unroutable")
    assert applied.returncode == 0
    until("the same consumer is ready again", lambda: ready(namespace, workshop.pool) == [pod], seconds=30)
    assert client.job(submitted().json()["id"]).get(UNHURRIED_SECONDS) == 1
    assert deaths(namespace, workshop.pool) == deaths_before


@pytest.mark.timeout(400)
def test_tasks_whose_messages_are_gone_end_as_lost_and_nothing_else_does(
    namespace: Namespace, lost: Lost, client: Client, diary: Diary
) -> None:
    """Alone it takes four minutes, of which most have passed in the suite. They are looked at early by hand."""
    store, delayed = Store(namespace), client.job(lost.delayed.id)

    def ended() -> list[TaskDocument] | None:
        store.have_looked_at([*(job.id for job in lost.jobs), delayed.id])
        records = [client.job(job.id).record() for job in lost.jobs]
        return records if all(record.status.terminal for record in records) else None

    records = until("they are taken for lost", ended, seconds=EMPTY_SECONDS + LOOKED_SECONDS, every=1)
    assert {(record.status, record.error and record.error.code, record.attempt) for record in records} == {
        (State.FAILED, "lost", 0)
    }
    after = [record.finished_at.timestamp() - lost.at for record in records if record.finished_at]
    diary.say(f"lost tasks end {min(after):.1f} to {max(after):.1f} s after their queue was purged")
    assert STALE_SECONDS <= min(after) <= max(after) <= UNACCEPTED_SECONDS + LOOKED_SECONDS
    assert delayed.status is State.QUEUED
    assert delayed.cancel().status is State.CANCELED
    letters = client.dead_letters(code="lost")
    assert {letter.id for letter in letters.discard_many()} == {job.id for job in lost.jobs}


def test_objects_that_no_record_needs_are_deleted(namespace: Namespace, client: Client) -> None:
    """The system pool looks for them when it starts; an hour, or a day, of their age is made by hand."""
    text = "x" * (MAX_INLINE_BYTES + 1)
    waiting = client.submit("echo", text=text, options={"delay_seconds": 3600})
    needed = f"payloads/{waiting.id}"
    over = {f"payloads/{new_task_id()}", f"results/{new_task_id()}/value"}
    young = f"results/{new_task_id()}/value"
    with objects(namespace) as bucket:
        for key in (*over, young):
            bucket.write(key, b"left over")
        _age(namespace, {needed, *over})
        namespace.replace(SYSTEM)
        until("what is left over is gone", lambda: not over & _keys(bucket), seconds=30)
        assert {needed, young} <= _keys(bucket)
    assert waiting.cancel().status is State.CANCELED


def _carving(seconds: float, **options: str) -> dict[str, Any]:
    return {"task": "carve", "args": {"seconds": seconds}, "options": HERE | options}


def _judge_pauses(records: list[TaskDocument], rows: Rows, diary: Diary) -> None:
    """Hold the pauses between attempts against the usual backoff: they double, and half of each is left to chance."""
    assert {(record.status, record.attempt) for record in records} == {(State.FAILED, FALTERS)}
    pauses = [[later - sooner for sooner, later in pairwise(rows.starts[record.id])] for record in records]
    for failures, taken in enumerate(zip(*pauses, strict=True)):
        longest = BACKOFF_SECONDS * 2**failures
        diary.say(f"after failure {failures + 1} they came after {min(taken):.2f} to {max(taken):.2f} s")
        assert longest / 2 <= min(taken) <= max(taken) <= longest * 1.01 + 1
        assert max(taken) - min(taken) > longest / 8, "they all come at once"


def _age(namespace: Namespace, keys: set[str]) -> None:
    """Have the objects be two days old: the bundled S3 keeps each in a file, whose time it tells."""
    then = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y%m%d%H%M")
    done = namespace.execute("pod/warren-s3-0", "touch", "-t", then, *(f"/data/{BUCKET}/{key}" for key in keys))
    assert done.returncode == 0, done.stderr


def _keys(bucket: Bucket) -> set[str]:
    return {*bucket.sizes("payloads/"), *bucket.sizes("results/")}
