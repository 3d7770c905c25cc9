"""Tasks over HTTP: followed, in thousands, of any size, canceled."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.e2e.bucket import objects
from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import hold, let_go
from warren.client import Client
from warren.record import State
from warren.tasks import MAX_INLINE_BYTES

pytestmark = pytest.mark.timeout(300)

SERVICE = "http://warren-producer:8000"
PRODUCER = "app.kubernetes.io/component=producer"
MANY = 2000
LARGE = 3 * 1024 * 1024
HUGE = 25 * 1024 * 1024
"""Not far below the largest request that is taken; the pod's memory is enough for a few of them."""

WAITING = 100
"""More than the pool's consumers can run at once, however many they become."""

SECONDS = 4
ATTACHED_SECONDS = 3
"""After so many seconds somebody in a pod follows a task: it is not to begin before."""

FOLLOW = """
import sys, time, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Last-Event-ID": sys.argv[2]} if sys.argv[2:] else {})
with urllib.request.urlopen(request, timeout=60) as answer:
    print(answer.status, answer.headers["content-type"], flush=True)
    for line in answer:
        print(time.time(), line.decode(), end="", flush=True)
"""


@dataclass(frozen=True)
class Event:
    """One event of a stream, and when it was read."""

    at: float
    name: str
    id: str
    document: dict[str, Any]


def follow(namespace: Namespace, task_id: str, *last: str) -> tuple[str, list[Event]]:
    """Follow a task through the Service, from a pod, until the stream ends; return its first line and the events."""
    url = f"{SERVICE}/v1/tasks/{task_id}/events"
    done = namespace.execute("deployment/warren-system", "python3", "-c", FOLLOW, url, *last)
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    return head, list(_events(lines))


def _events(lines: list[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        at, _, text = line.partition(" ")
        name, _, value = text.partition(": ")
        fields[name] = value
        if not text:
            yield Event(float(at), fields["event"], fields["id"], json.loads(fields["data"]))


def test_a_running_task_is_followed_to_its_end(namespace: Namespace, client: Client, diary: Diary) -> None:
    client.submit("echo", text="awake").get(30)
    job = client.submit("sleep", seconds=SECONDS, options={"delay_seconds": ATTACHED_SECONDS})
    head, events = follow(namespace, job.id)
    diary.say(f"{head}: {', '.join(f'{event.name} ({event.at - events[0].at:.1f} s)' for event in events)}")
    assert head.startswith("200 text/event-stream")
    names = [event.name for event in events]
    assert names[-1] == "succeeded"
    assert names.count("progress") >= SECONDS // 2
    at = {event.name: event.at for event in events}
    assert at["succeeded"] - at["started"] > SECONDS - 1, "the events came at the end, all at once"
    assert [event.document["id"] for event in events] == [job.id] * len(events)
    assert follow(namespace, job.id, events[-1].id)[0].startswith("204")


def test_a_producer_with_open_streams_stops_at_once(namespace: Namespace, client: Client, diary: Diary) -> None:
    job = client.submit("sleep", seconds=20, idempotency_key="restart")
    until("the task is started", lambda: job.status is State.STARTED, seconds=30)
    (old,) = namespace.names("pods", PRODUCER)
    with ThreadPoolExecutor() as several:
        stream = several.submit(follow, namespace, job.id)
        time.sleep(2)
        began = time.monotonic()
        namespace.run("rollout", "restart", "deployment/warren-producer")
        _, events = stream.result()
        until(f"{old} is gone", lambda: old not in namespace.names("pods", PRODUCER), seconds=40)
        took = time.monotonic() - began
    diary.say(f"the stream ended after {len(events)} events, the pod was gone after {took:.1f} s")
    assert events[-1].name == "progress"
    assert took < 25
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as again:
        assert again.submit("sleep", seconds=20, idempotency_key="restart").id == job.id
    _, rest = follow(namespace, job.id, events[-1].id)
    assert rest[-1].name == "succeeded"
    assert rest[-1].document["attempt"] == 1


@pytest.fixture(name="one_consumer")
def _one_consumer(namespace: Namespace) -> Iterator[None]:
    """Have one consumer of the pool `cpu`, no more and no less."""
    hold(namespace, "cpu", 1)
    yield
    let_go(namespace, "cpu")


@pytest.mark.usefixtures("one_consumer")
def test_thousands_of_tasks_in_one_call_all_end(client: Client, diary: Diary) -> None:
    began = time.monotonic()
    requests = [{"task": "echo", "args": {"text": f"task {number}"}} for number in range(MANY)]
    jobs = client.submit_many(requests, idempotency_key="thousands")
    diary.say(f"{MANY} tasks were accepted after {time.monotonic() - began:.1f} s")
    assert [job.id for job in client.submit_many(requests, idempotency_key="thousands")] == [job.id for job in jobs]
    assert len({job.id for job in jobs}) == MANY
    with ThreadPoolExecutor(16) as several:
        records = list(several.map(lambda job: job.wait(30), jobs))
    diary.say(f"all had ended after {time.monotonic() - began:.1f} s")
    assert Counter((record.status, record.attempt) for record in records) == {(State.SUCCEEDED, 1): MANY}
    assert [record.result for record in records] == [f"task {number}" for number in range(MANY)]


def test_a_large_payload_and_its_result_lie_in_s3(namespace: Namespace, client: Client, api: str, diary: Diary) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(LARGE))
    with objects(namespace) as bucket:
        job = client.submit("echo", text=text, options={"delay_seconds": 2})
        assert bucket.size(f"payloads/{job.id}") > MAX_INLINE_BYTES
        assert job.get(60) == text
        stored = bucket.sizes("results/")
        diary.say(f"a payload of {LARGE} bytes; in S3: {stored}")
        assert [size > MAX_INLINE_BYTES for key, size in stored.items() if job.id in key] == [True]
    answer = httpx2.get(f"{api}/v1/tasks/{job.id}", timeout=30)
    assert "result" not in answer.json()
    result = httpx2.get(f"{api}{answer.json()['result_url']}", timeout=30)
    assert (result.headers["content-type"], json.loads(result.content)) == ("application/json", text)


def test_large_bodies_at_once_do_not_cost_the_producer_its_memory(api: str, client: Client, diary: Diary) -> None:
    body = json.dumps({"task": "echo", "args": {"text": "x" * HUGE}}).encode()
    headers = {"Content-Type": "application/json"}

    def submit(_: int) -> httpx2.Response:
        return httpx2.post(f"{api}/v1/tasks", content=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(submit, range(8)))
    codes = Counter(answer.status_code for answer in answers)
    diary.say(f"8 of {HUGE} bytes at once: {dict(codes)}")
    # That no pod was restarted for it, the last scenario of the suite sees.
    assert set(codes) == {202, 503}
    for accepted in filter(lambda answer: answer.is_success, answers):
        # Its consumer has work to do with it, which is none of the next scenario's.
        assert client.job(accepted.json()["id"]).wait(60).status is State.SUCCEEDED


@pytest.mark.usefixtures("one_consumer")
def test_tasks_are_delayed_expire_run_out_of_time_and_are_waited_for(client: Client, api: str) -> None:
    delayed = client.submit("echo", text="later", options={"delay_seconds": 3})
    expiring = client.submit("echo", text="too late", options={"delay_seconds": 60, "expires_seconds": 2})
    slow = client.submit("sleep", seconds=60, options={"timeout_seconds": 2})
    request = {"task": "sleep", "args": {"seconds": 1}}
    answer = httpx2.post(f"{api}/v1/tasks", json=request, headers={"Prefer": "wait=10"}, timeout=20)
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert 1 <= answer.elapsed.total_seconds() < 2, "it was not answered the moment it ended"
    record = delayed.wait(15)
    assert record.started_at is not None
    assert record.submitted_at is not None
    assert 3 <= (record.started_at - record.submitted_at).total_seconds() < 5
    assert expiring.wait(15).status is State.EXPIRED
    error = slow.wait(15).error
    assert error is not None
    assert error.code == "timeout"


@pytest.mark.usefixtures("one_consumer")
def test_running_and_waiting_tasks_are_canceled(client: Client, diary: Diary) -> None:
    jobs = client.submit_many({"task": "sleep", "args": {"seconds": 600}} for _ in range(WAITING))
    until("some are started", lambda: jobs[0].status is State.STARTED, seconds=30)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as several:
        list(several.map(lambda job: job.cancel(), jobs))
        records = list(several.map(lambda job: job.wait(20), jobs))
    diary.say(f"canceled after {time.monotonic() - began:.1f} s")
    assert {record.status for record in records} == {State.CANCELED}
    assert {record.attempt for record in records} == {0, 1}, "some ran, some waited"
    assert client.submit("echo", text="free again").get(15) == "free again"
