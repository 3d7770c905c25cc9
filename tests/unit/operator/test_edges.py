"""The operator's edges: settings, index, loop, health, and the permissions that its calls need."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from itertools import islice
from typing import Any

import kopf
import pytest

from tests.unit.operator.world import IRIS, World
from warren.clock import ManualClock
from warren.errors import SettingsError, UnavailableError
from warren.settings import load
from warren_operator.cluster import Kind, Listing, Pod, Scale
from warren_operator.cluster.memory import MemoryCluster
from warren_operator.figures import Figure
from warren_operator.health import STALE_SECONDS, Dependencies, served
from warren_operator.loop import Loop
from warren_operator.permissions import PERMISSIONS
from warren_operator.settings import OperatorSettings
from warren_operator.watch import configure
from warren_operator.watched import Watched

CPU = "warren.tasks.cpu"
ENVIRONMENT = {
    "WARREN_NAMESPACE": "team",
    "WARREN_BROKER_URL": "amqp://u:p@b/%2Fown",
    "WARREN_RECORDS_URL": "redis://r",
    "WARREN_PROMETHEUS_URL": "http://p",
}

SCHEMES = {"BROKER": "amqp", "RECORDS": "redis", "PROMETHEUS": "http", "BROKER_METRICS": "https"}


def test_settings_from_the_environment() -> None:
    settings = load(OperatorSettings, ENVIRONMENT)
    assert (settings.vhost, settings.fresh_seconds, settings.namespace) == ("/own", 6.0, "team")
    assert load(OperatorSettings, {**ENVIRONMENT, "WARREN_BROKER_URL": "amqp://b/"}).vhost == "/"


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="WARREN_PROMETHEUS_URL: required"):
        load(OperatorSettings, {name: value for name, value in ENVIRONMENT.items() if "PROMETHEUS" not in name})


@pytest.mark.parametrize("name", ["SCRAPE", "TICK", "RESYNC", "RESULT_TTL"])
@pytest.mark.parametrize("seconds", ["0", "-1", "1e18", "inf", "nan"])
def test_a_time_that_is_none_is_refused(name: str, seconds: str) -> None:
    with pytest.raises(SettingsError, match=f"WARREN_{name}_SECONDS"):
        load(OperatorSettings, {**ENVIRONMENT, f"WARREN_{name}_SECONDS": seconds})


@pytest.mark.parametrize("name", ["BROKER", "RECORDS", "PROMETHEUS", "BROKER_METRICS"])
@pytest.mark.parametrize("sign", "/#?[]")
def test_a_password_that_breaks_its_url_stops_the_start_and_is_not_told(name: str, sign: str) -> None:
    url = f"{SCHEMES[name]}://ann:se{sign}cret@host:15692"
    if name == "BROKER_METRICS":
        url = f"http://well:15692 {url}"
    with pytest.raises(SettingsError, match=f"^WARREN_{name}_URL: .*percent-encoded") as caught:
        load(OperatorSettings, {**ENVIRONMENT, f"WARREN_{name}_URL": url})
    assert not any(part in caught.value.detail for part in ("se" + sign, "cret", "ann"))


def document(name: str, version: int, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}}


@pytest.fixture
def cluster() -> MemoryCluster:
    return MemoryCluster(ManualClock())


@pytest.fixture
def watched(cluster: MemoryCluster) -> Watched:
    return Watched(cluster, Kind.CONSUMER_POOL)


def test_the_index_keeps_the_newest(watched: Watched) -> None:
    watched.put(document("a", 10))
    watched.put(document("a", 9))
    assert [*watched] == [document("a", 10)]
    watched.drop(document("a", 1, uid="another"))
    assert len(watched) == 1


async def test_one_is_read_anew(watched: Watched, cluster: MemoryCluster) -> None:
    known = cluster.create(Kind.CONSUMER_POOL, "a", {"queue": "q"})
    watched.put(known)
    written = await cluster.write_status(Kind.CONSUMER_POOL, known, {"replicas": 3})
    await watched.refresh(known)
    assert [*watched] == [written]
    cluster.remove(Kind.CONSUMER_POOL, "a")
    await watched.refresh(written)
    assert [*watched] == []


def test_a_list_puts_the_index_right(watched: Watched) -> None:
    watched.put(document("gone", 3, "x"))
    watched.put(document("new", 12, "y"))
    watched.put(document("changed", 11, "z"))
    watched.replace(Listing((document("changed", 5, "z"), document("unseen", 6, "w")), 10))
    assert {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in watched} == {
        "new": "12",
        "changed": "11",
        "unseen": "6",
    }


async def test_no_error_ends_the_loop_and_a_wish_hastens_it() -> None:
    rounds: list[int] = []
    enough = asyncio.Event()
    loop: Loop

    async def work() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise UnavailableError("away")
        if len(rounds) == 2:
            raise RuntimeError
        loop.hasten()
        if len(rounds) == 4:
            enough.set()

    loop = Loop("test", work, ManualClock(), period=0.01)
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(5):
        await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_health_tells_a_loop_that_stands_still() -> None:
    clock = ManualClock()

    async def work() -> None:
        pass

    dependencies = Dependencies("kubernetes", {"kubernetes": work})
    with served([Loop("mljobs", work, clock, period=2)], dependencies, 0, "127.0.0.1") as port:
        url = f"http://127.0.0.1:{port}"
        assert fetch(f"{url}/healthz") == (200, '{"status":"ok"}\n')
        assert "warren_operator_pool_desired_replicas" in fetch(f"{url}/metrics")[1]
        assert fetch(f"{url}/other")[0] == 404
        clock.advance(STALE_SECONDS + 1)
        status, text = fetch(f"{url}/healthz")
        assert status == 503
        assert text.startswith('{"stuck":{"mljobs":"no round has ended for')
        assert fetch(f"{url}/readyz")[0] == 503


async def test_readiness_names_each_dependency(world: World) -> None:
    dependencies = world.operator.dependencies
    with served(world.operator.loops, dependencies, 0, "127.0.0.1") as port:

        async def ask() -> tuple[int, dict[str, Any]]:
            status, text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/readyz")
            return status, json.loads(text)

        status, document = await ask()
        assert (status, document["status"]) == (503, "starting")
        await dependencies.look()
        everything = {name: {"state": "ok"} for name in ("kubernetes", "prometheus", "broker", "records", "objects")}
        assert await ask() == (200, {"status": "ready", "dependencies": everything})
        world.figures.available = False
        await world.operator.pool_round()
        await dependencies.look()
        away = {"state": "unavailable", "detail": "the figures are set to be unavailable"}
        document = {"status": "degraded", "dependencies": {**everything, "prometheus": away}}
        assert await ask() == (200, document)


async def scale_down(world: World) -> None:
    """Let two of three replicas go, of which one works."""
    selector = "app=consumer"
    world.cluster.deployments["consumer"] = Scale(3, 3, selector)
    world.cluster.crews[selector] = {name: Pod(name, f"10.0.0.{name}") for name in "123"}
    world.figures.queues[CPU] = Figure(0, 1, age=1, running=1, consumers=3, busy={"10.0.0.2:8001": 1})
    await world.look(seconds=2)
    await world.look(seconds=61)
    assert world.cluster.deployments["consumer"].wanted == 1


async def test_the_permissions_are_the_calls_that_are_made(world: World) -> None:
    world.cluster.deployments["consumer"] = Scale(0, 0)
    world.cluster.create(Kind.CONSUMER_POOL, "cpu", {"queue": CPU, "scaleTargetRef": {"name": "consumer"}})
    world.figures.queues[CPU] = Figure(1, 0, age=1)
    world.cluster.create(Kind.MLJOB, "iris", {**IRIS, "ttlSecondsAfterFinished": 5})
    await world.operator.resync()
    for kind, name in ((Kind.MLJOB, "iris"), (Kind.CONSUMER_POOL, "cpu")):
        world.cluster.edit(kind, name)  # the index is behind now: the next writes meet conflicts, and read again
    await world.operator.job_round()
    await world.operator.pool_round()
    for _ in range(4):
        await world.look(seconds=2)
        await world.work_off()
    await world.look(seconds=10)
    await scale_down(world)
    made = world.cluster.calls | {call for call in PERMISSIONS if call.verb == "watch"}
    assert made == PERMISSIONS


def test_no_number_of_refusals_ends_the_watch() -> None:
    settings = kopf.OperatorSettings()
    configure(settings)
    pauses = settings.networking.error_backoffs
    assert isinstance(pauses, Iterable)
    for _ in range(2):  # each request begins anew
        found = list(islice(pauses, 1000))
        assert (len(found), found[0], max(found)) == (1000, 1, 5)
