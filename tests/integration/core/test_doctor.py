"""`warren doctor` against real servers, with each fault it speaks of."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.integration.servers import Workspace, control
from tools.stack import web
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.message import Message, encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Task
from warren.topology import DEAD, TASKS, topology

STATISTICS_SECONDS = 15.0
"""How long a broker that has just started may know nothing of its disk, and a while."""


class Doctor:
    """Runs the command in an environment as a person would have it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.environment = {
            "PATH": os.environ["PATH"],
            "WARREN_BROKER_URL": workspace.broker_url("warren-topology"),
            "WARREN_BROKER_MANAGEMENT_URL": workspace.management_url("warren-topology"),
            "WARREN_RECORDS_URL": workspace.records_url,
            "WARREN_STORAGE_BUCKET": workspace.bucket,
            **workspace.objects_environment,
        }

    def run(self, **changes: str) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit code and the findings."""
        warren = str(Path(sys.executable).with_name("warren"))
        environment = self.environment | changes
        done = subprocess.run(
            [warren, "doctor", "-o", "json"], env=environment, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        return done.returncode, json.loads(done.stdout)

    def unwell(self, **changes: str) -> dict[tuple[str, str], tuple[str, str]]:
        """Return level and detail of what is neither well nor skipped; old lines of RabbitMQ are no finding here."""
        code, findings = self.run(**changes)
        assert code == int(any(finding["level"] == "problem" for finding in findings))
        return {
            (finding["dependency"], finding["check"]): (finding["level"], finding["detail"])
            for finding in findings
            if finding["level"] not in {"ok", "skipped"} and "priorities" not in finding["detail"]
        }


@pytest.fixture(name="doctor")
async def _doctor(workspace: Workspace) -> Doctor:
    urls = workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")
    await provision(topology(DEFAULT_POOLS), *urls, lambda _: None)
    return Doctor(workspace)


@contextmanager
def configured(workspace: Workspace, name: str, value: str) -> Iterator[None]:
    """Set the store up otherwise meanwhile."""
    with redis.Redis.from_url(workspace.records_url, decode_responses=True) as store:
        usual = store.config_get(name)[name]
        store.config_set(name, value)
        try:
            yield
        finally:
            store.config_set(name, usual)


def test_nothing_is_wrong(doctor: Doctor) -> None:
    assert doctor.unwell() == {}


def test_priorities_are_ignored_by_3_10(doctor: Doctor, workspace: Workspace) -> None:
    _, findings = doctor.run()
    old = "rabbitmq-3.10" in str(workspace.servers.rabbitmq.spec.state)
    assert any("priorities are ignored" in finding["detail"] for finding in findings) is old


def test_the_account_of_the_producer_sees_what_it_needs(doctor: Doctor, workspace: Workspace) -> None:
    del doctor.environment["WARREN_BROKER_MANAGEMENT_URL"]
    code, findings = doctor.run(WARREN_BROKER_URL=workspace.broker_url("warren-producer"), WARREN_PORT="8000")
    assert code == 0
    assert [finding["detail"] for finding in findings if finding["dependency"] == "management"] == [
        "WARREN_BROKER_MANAGEMENT_URL is not set"
    ]


def test_an_account_for_monitoring_sees_the_disk(doctor: Doctor, workspace: Workspace) -> None:
    def seen() -> bool:
        _, findings = doctor.run(WARREN_BROKER_MANAGEMENT_URL=workspace.management_url())
        return any(finding["check"] == "disk" and "GiB free" in finding["detail"] for finding in findings)

    deadline = time.monotonic() + STATISTICS_SECONDS
    while not (found := seen()) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert found


def test_a_topology_that_was_not_applied(workspace: Workspace) -> None:
    unwell = Doctor(workspace).unwell()
    assert unwell["broker", "queues"][0] == "problem"
    assert unwell["broker", "topology"][0] == "problem"


def test_an_older_topology(doctor: Doctor, workspace: Workspace) -> None:
    old = {"pattern": "^warren.tasks", "definition": {"delivery-limit": 20}, "apply-to": "queues", "priority": 0}
    web.call("PUT", f"{workspace.management_url()}api/policies/{workspace.name}/warren-tasks", old)
    assert doctor.unwell()["broker", "topology"] == ("problem", "differs: 1")


def test_a_policy_that_another_one_displaces(doctor: Doctor, workspace: Workspace) -> None:
    other = {"pattern": "tasks", "definition": {"max-length": 5}, "apply-to": "queues", "priority": 9}
    web.call("PUT", f"{workspace.management_url()}api/policies/{workspace.name}/ours", other)
    time.sleep(1)
    level, detail = doctor.unwell()["broker", "policies"]
    assert level == "problem"
    assert "warren.tasks.cpu: ours" in detail


@pytest.mark.parametrize(
    ("name", "value"), [("appendfsync", "everysec"), ("appendonly", "no"), ("maxmemory-policy", "allkeys-lru")]
)
def test_a_store_that_does_not_keep_what_it_confirms(
    doctor: Doctor, workspace: Workspace, name: str, value: str
) -> None:
    with configured(workspace, name, value):
        assert doctor.unwell() == {("records", name): ("problem", value)}


def test_a_store_that_does_not_tell_how_it_is_set_up(doctor: Doctor, workspace: Workspace) -> None:
    with redis.Redis.from_url(workspace.records_url) as store:
        store.acl_setuser("managed", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@all"],
                          commands=["-config"])  # fmt: skip
        url = f"redis://managed:secret@{workspace.records_url.rpartition('@')[2]}"
        unwell = doctor.unwell(WARREN_RECORDS_URL=url)
        store.acl_deluser("managed")
    assert unwell == {("records", "appendfsync"): ("warning", "it does not tell (CONFIG GET is refused)")}


def test_a_store_that_refuses_the_password(doctor: Doctor, workspace: Workspace) -> None:
    url = workspace.records_url.replace("@", "wrong@")
    level, detail = doctor.unwell(WARREN_RECORDS_URL=url)["records", "reachable"]
    assert level == "problem"
    assert "refuses" in detail


def test_a_bucket_that_is_missing(doctor: Doctor) -> None:
    level, detail = doctor.unwell(WARREN_STORAGE_BUCKET="nowhere")["storage", "bucket"]
    assert level == "problem"
    assert "no bucket 'nowhere'" in detail


def test_an_alarm_of_the_broker(doctor: Doctor, workspace: Workspace) -> None:
    control(workspace.servers, "set_vm_memory_high_watermark", "0.000001")
    try:
        unwell = doctor.unwell()
    finally:
        control(workspace.servers, "set_vm_memory_high_watermark", "0.4")
    assert unwell["broker", "alarms"] == ("problem", "memory: it takes no messages")
    assert unwell["broker", "publishing"][0] == "problem"


async def test_work_that_nobody_takes(doctor: Doctor, workspace: Workspace) -> None:
    broker = AmqpBroker(workspace.broker_url())
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    await broker.publish(Message(b"dead"), exchange=DEAD, routing_key="cpu")
    await broker.close()
    unwell = await asyncio.to_thread(doctor.unwell)
    assert unwell["broker", "backlog"][0] == "warning"
    assert unwell["broker", "dead letters"] == ("problem", "warren.dead.cpu holds 1, and nobody takes them")


def test_a_queue_whose_pool_is_gone(doctor: Doctor) -> None:
    unwell = doctor.unwell(WARREN_POOLS="cpu")
    assert unwell["broker", "orphaned pool"][0] == "warning"


def test_everything_frozen_takes_ten_seconds(doctor: Doctor, workspace: Workspace) -> None:
    frozen = (workspace.servers.rabbitmq, workspace.servers.store, workspace.servers.objects)
    for server in frozen:
        server.freeze()
    began = time.monotonic()
    try:
        unwell = doctor.unwell()
    finally:
        for server in frozen:
            server.thaw()
    assert time.monotonic() - began < 11
    assert {dependency: level for (dependency, _), (level, _) in unwell.items()} == dict.fromkeys(
        ("broker", "management", "records", "storage"), "problem"
    )
