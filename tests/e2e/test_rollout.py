"""`helm upgrade` while consumers are busy: what has been started is finished by whom it was started."""

import time

import pytest

from tests.e2e.diary import Diary
from tests.e2e.namespace import Namespace
from tests.e2e.patience import until
from tests.e2e.pools import deployment, fall_asleep, ready, replicas
from tests.e2e.release import Release
from warren.client import Client
from warren.record import State

pytestmark = pytest.mark.timeout(300)

TASKS = 10
"""More than one consumer works on at once (8), so that there are two at least: a burst may ask for more."""
SECONDS = 36
"""Longer than an upgrade takes (18 to 29 s), so that it meets them all."""


def test_an_upgrade_interrupts_nobody(release: Release, namespace: Namespace, client: Client, diary: Diary) -> None:
    fall_asleep(namespace, "cpu")
    jobs = [client.submit("sleep", seconds=SECONDS) for _ in range(TASKS)]
    until("all tasks are started", lambda: all(job.status is State.STARTED for job in jobs), seconds=40)
    before = [job.record() for job in jobs]
    assert len({record.consumer for record in before}) >= 2
    first_end = min(record.started_at.timestamp() for record in before if record.started_at) + SECONDS
    old = set(ready(namespace, "cpu"))
    with namespace.watched(f"deployment/{deployment('cpu')}", "{.spec.replicas}") as pool:
        with diary.stage("helm upgrade of every component"):
            release.upgrade("logLevel=debug")
        diary.say(f"replicas: {pool}")
        assert time.time() < first_end, "a task may have ended before the upgrade reached it"
        # What a burst asked for may go again; never one of the two that so many tasks keep busy.
        assert min(int(count) for count in pool.values) >= 2
    assert not old & set(ready(namespace, "cpu"))
    assert replicas(namespace, "train-cpu") == 0
    with namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as again:
        records = [again.job(job.id).wait(45) for job in jobs]
    assert [(record.status, record.attempt) for record in records] == [(State.SUCCEEDED, 1)] * TASKS
    assert [record.started_at for record in records] == [record.started_at for record in before]
