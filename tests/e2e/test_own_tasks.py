"""Tasks of one's own, in a pool that was added to a running release."""

import json
import time
from typing import Any

import httpx2
import pytest

from tests.e2e.diary import Diary
from tests.e2e.lost import Lost
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import SELECTOR, hold
from tests.e2e.release import Release
from tests.e2e.shell import Shell
from tests.e2e.workshop import MEMORY_MEBIBYTES, Workshop
from tests.e2e.workshop_tasks import POOL
from warren.client import Client
from warren.client.documents import TaskDocument
from warren.errors import TaskFailedError
from warren.record import Progress, State

pytestmark = pytest.mark.timeout(300)

HERE = {"pool": POOL}
ALL_HOPS_SECONDS = 1 + 2 + 4 + 8 + 16
"""For how long a task that no consumer knows is put back in all."""


@pytest.fixture(scope="module", name="stray", autouse=True)
def _stray(release: Release, workshop: Workshop) -> str:
    """Submit a task to a pool that does not know it, and return its id: it is given up after half a minute."""
    with release.namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as client:
        return client.submit("carve", seconds=0.1, options={"pool": "cpu"}).id


@pytest.fixture(scope="module", autouse=True)
def _forsaken(lost: Lost) -> None:
    """Have tasks lost early: `test_promises` looks what has become of them."""


@pytest.fixture(autouse=True)
def _awake(namespace: Namespace, workshop: Workshop) -> None:
    """Have one consumer of the pool."""
    hold(namespace, workshop.pool, 1)


def test_an_added_pool_has_its_queues_and_its_consumer(namespace: Namespace, client: Client, diary: Diary) -> None:
    shell = Shell(namespace)
    checked = shell.tried("topology", "check", environment=shell.topology)
    listed = shell.tried("pools", "list", "-o", "json", environment=shell.topology)
    diary.say(checked.stdout)
    assert checked.returncode == 0
    assert {row["pool"]: row["state"] for row in json.loads(listed.stdout)}[POOL] == "ok"
    assert client.submit("carve", seconds=0.1, options=HERE).get(30) == 1


def test_a_child_process_has_no_more_rights_than_its_pod(client: Client) -> None:
    seen: dict[str, Any] = client.submit("look_around", options=HERE).get(30)
    assert seen["consumer"] == 1
    assert seen["process"] != 1
    assert (seen["user"], seen["writable"]) == (10001, ["/tmp"])  # noqa: S108 - it was asked about


def test_a_deaf_child_process_is_stopped_by_a_cancel(workshop: Workshop, client: Client) -> None:
    job = client.submit("grind", seconds=300, options=HERE)
    process = until("it says which process it is", lambda: _progress(client, job.id), seconds=30)
    assert process in _processes(workshop)
    assert job.cancel().status is State.CANCELED
    until("its process is gone", lambda: process not in _processes(workshop), seconds=10)
    assert client.submit("grind", seconds=0.1, options=HERE).get(15) != int(process)


def test_a_child_that_ignores_signals_ends_at_its_time_limit_and_harms_no_other(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    before = _restarts(namespace)
    others = client.submit_many({"task": "carve", "args": {"seconds": 7}, "options": HERE} for _ in range(4))
    job = client.submit("ignore", seconds=300, options=HERE)
    process = until("it says which process it is", lambda: _progress(client, job.id), seconds=30)
    assert process in _processes(workshop)
    error = job.wait(15).error
    assert error is not None
    diary.say(f"{error.code}: {error.message}")
    assert error.code == "timeout"
    until("its process is gone", lambda: process not in _processes(workshop), seconds=10)
    assert [other.get(30) for other in others] == [1] * len(others), "some were begun anew"
    assert _restarts(namespace) == before


def test_progress_is_seen_and_a_cancel_is_heeded(workshop: Workshop, client: Client) -> None:
    job = client.submit("heed", steps=600, options=HERE)
    first = until("it tells how far it is", lambda: job.record().progress, seconds=30)
    until("it is further", lambda: _further(job.record(), first), seconds=5)
    assert job.cancel().status is State.CANCELED
    until("it comes to its own end", lambda: workshop.rows().ended[job.id], seconds=10)
    assert first.message in _processes(workshop), "it did as it was told, and is used again"


def test_its_arguments_are_told_and_checked_before_anything_is_queued(api: str) -> None:
    kinds = {kind["name"]: kind for kind in httpx2.get(f"{api}/v1/task-types").json()["task_types"]}
    told = kinds["assemble"]
    assert (told["pool"], told["description"]) == (POOL, "Fail for as long as the part is not on the shelf.")
    assert told["arguments"]["properties"] == {"part": {"title": "Part", "type": "string"}}
    assert told["result"] == {"type": "string"}
    page = httpx2.get(f"{api}/openapi.json").json()
    body = page["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["assemble"]["value"]["args"].keys() == {"part"}
    answer = httpx2.post(f"{api}/v1/tasks", json={"task": "assemble", "args": {"part": 3}})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"] == [{"field": "args.part", "message": "Input should be a valid string"}]


def test_a_task_that_takes_too_much_memory_harms_no_other(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    others = client.submit_many({"task": "carve", "args": {"seconds": 3}, "options": HERE} for _ in range(4))
    until("the others are started", lambda: others[-1].status is State.STARTED, seconds=20)
    job = client.submit("hoard", mebibytes=2 * MEMORY_MEBIBYTES, options=HERE)
    record = job.wait(150)
    diary.say(f"{record.error}")
    # Where the kernel ends a container's processes all together (cgroup v2), the consumer dies with it: three times.
    assert record.error is not None
    assert record.error.code in {"child-died", "poison"}
    assert [other.wait(60).status for other in others] == [State.SUCCEEDED] * len(others)
    if record.error.code == "child-died":
        assert _restarts(namespace) == [0]


def test_a_failed_task_is_found_mended_and_replayed(
    namespace: Namespace, workshop: Workshop, client: Client, diary: Diary
) -> None:
    shell = Shell(namespace)
    part = f"wheel-{time.time_ns()}"
    job = client.submit("assemble", part=part, options=HERE)
    with pytest.raises(TaskFailedError):
        job.get(30)
    listed = shell.run("dead-letters", "list", "--task", "assemble")
    shown = " ".join(shell.run("dead-letters", "show", job.id).split())
    diary.say(f"{listed}\n{shown}")
    assert job.id in listed
    for word in ("Traceback", "FileNotFoundError", f"'{part}' is not on the shelf", "payload"):
        assert word in shown
    workshop.put_on_the_shelf(part)
    (replayed,) = shell.document("dead-letters", "replay", job.id)
    again = client.job(replayed["task_id"])
    assert again.get(30) == part
    assert again.record().replay_of == job.id
    assert shell.document("dead-letters", "list", "--task", "assemble") == []
    assert shell.document("dead-letters", "replay", job.id)[0]["task_id"] == again.id


def test_a_task_in_the_wrong_pool_fails_and_is_replayed_in_the_right_one(
    namespace: Namespace, stray: str, client: Client, diary: Diary
) -> None:
    record = client.job(stray).wait(60)
    assert record.error is not None
    diary.say(f"{record.error.code}: {record.error.message}")
    assert record.error.code == "unroutable"
    assert record.attempt == 1
    assert record.submitted_at is not None
    assert record.finished_at is not None
    hopped = (record.finished_at - record.submitted_at).total_seconds()
    assert ALL_HOPS_SECONDS <= hopped < 2 * ALL_HOPS_SECONDS, "a hot loop, or one without an end"
    (replayed,) = Shell(namespace).document("dead-letters", "replay", stray, "--to-pool", POOL)
    assert client.job(replayed["task_id"]).get(30) == 1


def _restarts(namespace: Namespace) -> list[int]:
    """Return how often each of the pool's consumers was restarted."""
    pods = namespace.all("pods", SELECTOR + POOL)
    return [status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]]


def _further(record: TaskDocument, first: Progress) -> bool:
    return record.progress is not None and record.progress.fraction > first.fraction


def _progress(client: Client, task_id: str) -> str | None:
    progress = client.job(task_id).record().progress
    return progress.message if progress else None


def _processes(workshop: Workshop) -> list[str]:
    return workshop.run("sh", "-c", "cd /proc && echo [0-9]*").split()
