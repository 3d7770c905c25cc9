"""What the doctor makes of facts, and how it shows findings."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from warren.broker import Depth
from warren.broker.inspection import AmqpFacts, Disk, ManagementFacts
from warren.broker.plan import FoundQueue, Standing, compare
from warren.cli import app
from warren.cli.doctor import show
from warren.doctor.broker import has_dead, judge_amqp, judge_dead, judge_management
from warren.doctor.environment import judge_environment, known_variables
from warren.doctor.finding import Finding, Level
from warren.doctor.producer import judge_readiness
from warren.doctor.storage import examine_storage
from warren.doctor.store import judge_store
from warren.objects import ObjectUri
from warren.objects.memory import MemoryObjects
from warren.pool import DEFAULT_POOLS
from warren.records.inspection import StoreFacts
from warren.topology import topology

WANTED = topology(DEFAULT_POOLS)
STORE = StoreFacts("Valkey 8.1", "master", True, "always", "noeviction", 10, 0, (), 0.01)  # noqa: FBT003 - as it tells
AMQP = AmqpFacts("4.0.5", (), {queue.name: Depth(0, 1) for queue in WANTED.queues}, None)
STANDING = Standing(
    {exchange.name: exchange.type for exchange in WANTED.exchanges},
    {queue.name: FoundQueue(queue.arguments) for queue in WANTED.queues},
    frozenset(WANTED.bindings),
    {policy.name: policy for policy in WANTED.policies},
)
MANAGEMENT = ManagementFacts(
    compare(WANTED, STANDING), (), (Disk("a", 9 << 30, 1 << 30),), {q.name: "warren-tasks" for q in WANTED.queues}, 0.2
)


def unwell(findings: list[Finding]) -> list[tuple[str, Level]]:
    """Return what is not well, and say all of it with some advice."""
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert all(finding.advice and finding.detail for finding in found if finding.level is not Level.SKIPPED)
    return [(finding.check, finding.level) for finding in found]


def test_a_store_that_keeps_what_it_confirms_is_well() -> None:
    assert not unwell(judge_store(STORE))


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"appendonly": False}, "appendonly", Level.PROBLEM),
        ({"appendonly": None}, "appendonly", Level.WARNING),
        ({"appendfsync": "everysec"}, "appendfsync", Level.PROBLEM),
        ({"appendfsync": None}, "appendfsync", Level.WARNING),
        ({"maxmemory_policy": "allkeys-lru"}, "maxmemory-policy", Level.PROBLEM),
        ({"maxmemory_policy": None}, "maxmemory-policy", Level.WARNING),
        ({"role": "slave"}, "role", Level.PROBLEM),
        ({"used_bytes": 90, "limit_bytes": 100}, "memory", Level.WARNING),
        ({"failed_writes": ("aof_last_write_status",)}, "disk", Level.PROBLEM),
        ({"skew_seconds": -3.0}, "clock", Level.WARNING),
    ],
)
def test_a_store_that_may_lose_something(change: dict[str, Any], check: str, level: Level) -> None:
    assert unwell(judge_store(replace(STORE, **change))) == [(check, level)]


def test_a_broker_that_is_well() -> None:
    assert not unwell([*judge_amqp(AMQP), *judge_management(MANAGEMENT, WANTED)])


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"version": "3.10.8"}, "reachable", Level.WARNING),
        ({"refusal": "an alarm"}, "publishing", Level.PROBLEM),
        ({"missing": ("warren.tasks.cpu", "a", "b", "c", "d")}, "queues", Level.PROBLEM),
        ({"depths": {"warren.tasks.cpu": Depth(3, 0)}}, "backlog", Level.WARNING),
        ({"depths": {"warren.tasks.cpu": Depth(3, 1)}}, None, None),
    ],
)
def test_a_broker_seen_over_amqp(change: dict[str, Any], check: str | None, level: Level | None) -> None:
    assert unwell(judge_amqp(replace(AMQP, **change))) == ([(check, level)] if check else [])


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"alarms": ("memory",)}, "alarms", Level.PROBLEM),
        ({"disks": (Disk("a", 2 << 30, 1 << 30),)}, "disk", Level.WARNING),
        ({"disks": None}, "disk", Level.SKIPPED),
        ({"policies": {"warren.tasks.cpu": "ha-all"}}, "policies", Level.PROBLEM),
        ({"policies": {"warren.tasks.cpu": None}}, "policies", Level.PROBLEM),
        ({"plan": compare(WANTED, replace(STANDING, policies={}))}, "topology", Level.PROBLEM),
        (
            {"plan": compare(WANTED, replace(STANDING, exchanges={**STANDING.exchanges, "warren.tasks": "fanout"}))},
            "topology",
            Level.PROBLEM,
        ),
        (
            {
                "plan": compare(
                    WANTED,
                    replace(STANDING, queues={**STANDING.queues, "warren.tasks.old": FoundQueue({}, messages=5)}),
                )
            },
            "orphaned pool",
            Level.WARNING,
        ),
        ({"skew_seconds": 5.0}, "clock", Level.WARNING),
    ],
)
def test_a_broker_seen_over_its_management_api(change: dict[str, Any], check: str, level: Level) -> None:
    assert unwell(judge_management(replace(MANAGEMENT, **change), WANTED)) == [(check, level)]


@pytest.mark.parametrize(
    ("before", "after", "levels"),
    [
        (Depth(2, 1), Depth(0, 1), []),
        (Depth(9, 1), Depth(3, 1), []),
        (Depth(2, 1), Depth(2, 1), [Level.WARNING]),
        (Depth(2, 0), Depth(2, 0), [Level.PROBLEM]),
    ],
)
def test_dead_letters_that_stay(before: Depth, after: Depth, levels: list[Level]) -> None:
    first, second = ({"warren.dead.cpu": depth, "warren.tasks.cpu": Depth(9, 0)} for depth in (before, after))
    assert has_dead(first)
    assert [finding.level for finding in judge_dead(first, second)] == levels


async def test_a_bucket_that_does_all_is_left_as_it_was() -> None:
    objects = MemoryObjects("warren")
    assert not unwell(await examine_storage(objects, "warren"))
    assert await objects.list(ObjectUri("warren", "")) == []
    assert unwell(await examine_storage(objects, "another")) == [("bucket", Level.PROBLEM)]


class Overwriting(MemoryObjects):
    """A storage that ignores If-None-Match, as some do."""

    async def put(
        self,
        uri: ObjectUri,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        only_if_absent: bool = False,
    ) -> None:
        del only_if_absent
        await super().put(uri, data, content_type=content_type)


async def test_a_storage_that_overwrites_what_must_be_created_once() -> None:
    assert unwell(await examine_storage(Overwriting(), "warren")) == [("create once", Level.PROBLEM)]


def test_a_producer_names_what_it_misses() -> None:
    away = {"state": "unavailable", "detail": "gone"}
    document = {"status": "degraded", "dependencies": {"broker": {"state": "ok"}, "records": away}}
    (finding,) = judge_readiness(document)
    assert (finding.level, finding.detail) == (Level.PROBLEM, "degraded: records gone")
    assert not unwell([*judge_readiness({"status": "ready", "dependencies": {}})])


def test_the_variables_of_every_component_are_known() -> None:
    known = known_variables()
    assert {"WARREN_HOST", "WARREN_CONCURRENCY", "WARREN_NAMESPACE", "WARREN_BROKER_MANAGEMENT_URL"} <= known
    (finding,) = judge_environment({"WARREN_CONCURENCY": "8", "PATH": "", "WARREN_HOST": ""}, known)
    assert finding.level is Level.PROBLEM
    assert "WARREN_CONCURENCY" in finding.detail
    assert finding.advice == "is WARREN_CONCURRENCY meant?"


def test_what_is_shown() -> None:
    out = io.StringIO()
    findings = [
        Finding("records", "appendfsync", Level.PROBLEM, "everysec", "set it to [always]"),
        Finding("broker", "alarms", Level.OK, "none"),
    ]
    show(findings, Console(file=out, width=100))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert lines == [
        ["problem", "records", "appendfsync", "everysec"],
        ["->", "set", "it", "to", "[always]"],
        ["ok", "broker", "alarms", "none"],
        ["ok:", "1,", "skipped:", "0,", "warning:", "0,", "problem:", "1"],
    ]


def test_what_no_variable_names_is_skipped_and_said_so() -> None:
    unset = dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID"), None)
    result = CliRunner().invoke(app, ["doctor", "-o", "json"], env=unset)
    findings = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [finding["level"] for finding in findings] == ["ok", *["skipped"] * 5]
    assert findings[1]["detail"] == "WARREN_URL is not set"


def test_everything_away_is_said_in_ten_seconds_and_a_malformed_variable_at_once() -> None:
    away = {
        "WARREN_URL": "http://127.0.0.1:1",
        "WARREN_BROKER_URL": "amqp://warren:secret@127.0.0.1:1/",
        "WARREN_BROKER_MANAGEMENT_URL": "http://warren:secret@127.0.0.1:1",
        "WARREN_RECORDS_URL": "redis://:secret@127.0.0.1:1/0",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "x",
    }
    result = CliRunner().invoke(app, ["doctor", "-o", "json"], env=away)
    assert result.exit_code == 1
    assert [finding["level"] for finding in json.loads(result.stdout)[1:]] == ["problem"] * 5
    assert "secret" not in result.stdout
    assert CliRunner().invoke(app, ["doctor"], env={"WARREN_RECORDS_URL": "http://x"}).exit_code == 2
