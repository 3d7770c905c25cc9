"""`helm upgrade` while consumers are busy: what has been started is finished by whom it was started."""

import json
import time
from datetime import datetime

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import deployment, hold, let_go, ready, replicas
from tests.e2e.release import Release
from warren.client import Client
from warren.record import State

pytestmark = pytest.mark.timeout(300)

TASKS = 10
"""More than one consumer works on at once (8)."""
SECONDS = 36
"""Longer than it takes until an upgrade tells the first consumer to go (10 to 25 s)."""


def test_an_upgrade_interrupts_nobody(release: Release, namespace: Namespace, client: Client, diary: Diary) -> None:
    hold(namespace, "cpu", 2)
    jobs = [client.submit("sleep", seconds=SECONDS) for _ in range(TASKS)]
    until("all tasks are started", lambda: all(job.status is State.STARTED for job in jobs), seconds=20)
    # Left alone before its figures show them, the pool would take two idle replicas for one too many.
    until("the operator sees them", lambda: _under_way(namespace) == TASKS, seconds=20)
    let_go(namespace, "cpu")
    before = [job.record() for job in jobs]
    starts = [record.started_at.timestamp() for record in before if record.started_at]
    assert len({record.consumer for record in before}) == 2
    old = {f"pod/{name}" for name in ready(namespace, "cpu")}
    with namespace.watched(f"deployment/{deployment('cpu')}", "{.spec.replicas}") as pool:
        with diary.stage("helm upgrade of every component"):
            release.upgrade("logLevel=debug")
        diary.say(f"replicas: {pool}")
        # More may be asked for and go again; never one of the two that so many tasks keep busy.
        busy = [int(count) for at, count in pool.changes if at < _monotonic(min(starts) + SECONDS)]
        assert min(busy) >= 2
    until(
        "the old ones are told to go", lambda: not old & {f"pod/{name}" for name in ready(namespace, "cpu")}, seconds=10
    )
    assert replicas(namespace, "train-cpu") == 0
    told = _told_to_go(namespace, old)
    diary.say(f"told to go: {', '.join(f'{at - min(starts):.0f} s' for at in sorted(told))} after the first start")
    assert min(told) < max(starts) + SECONDS, "the upgrade met no task"
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as again:
        records = [again.job(job.id).wait(60) for job in jobs]
    assert [(record.status, record.attempt) for record in records] == [(State.SUCCEEDED, 1)] * TASKS
    assert [record.started_at for record in records] == [record.started_at for record in before]


def _under_way(namespace: Namespace) -> int:
    return int(namespace.get("consumerpool", "cpu")["status"].get("unacked") or 0)


def _monotonic(at: float) -> float:
    return at - time.time() + time.monotonic()


def _told_to_go(namespace: Namespace, pods: set[str]) -> list[float]:
    events = json.loads(namespace.run("get", "events", "--field-selector=reason=Killing", "-o", "json"))["items"]
    return [
        datetime.fromisoformat(event["firstTimestamp"]).timestamp()
        for event in events
        if f"pod/{event['involvedObject']['name']}" in pods
    ]
