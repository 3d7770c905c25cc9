"""A pool that is overloaded refuses predictions that would be late, and says so; the autoscaler hears of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.unit.producer.conftest import House
from warren.message import encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Task
from warren.topology import TASKS
from warren_producer.estimate import Sample
from warren_producer.load import Load

PREDICT = "/v1/models/iris/predict"
ROWS = {"instances": [[1.0]]}


@pytest.fixture(name="load")
def _load(api: httpx2.AsyncClient) -> Load:
    """The load of the producer under test, which sees only what the test shows it."""
    transport = api._transport  # noqa: SLF001 - the application is in there
    assert isinstance(transport, httpx2.ASGITransport)
    load: Load = transport.app.state.services.load  # type: ignore[attr-defined]
    assert load._sampling is not None  # noqa: SLF001 - it would overwrite what the test shows
    load._sampling.cancel()  # noqa: SLF001
    return load


def crowd(load: Load, *, ready: int, pace: int, pool: str = "cpu", consumers: int = 1) -> None:
    """Let the load have seen ten seconds of a queue of this length, of which so many a second were started."""
    now = asyncio.get_running_loop().time()
    load._samples[pool].clear()  # noqa: SLF001 - what would take ten seconds to come about
    for second in range(11):
        load._samples[pool].append(Sample(now - 10 + second, ready, consumers, pace * second))  # noqa: SLF001


async def test_a_prediction_that_would_be_late_is_refused_at_once_and_the_pool_is_woken(
    api: httpx2.AsyncClient, house: House, load: Load, tmp_path: Path
) -> None:
    await house.publish_model(tmp_path)
    crowd(load, ready=200, pace=10)
    response = await api.post(PREDICT, json=ROWS)
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert response.headers["Retry-After"] == "10"
    assert all(said in response.json()["detail"] for said in ("'cpu'", "20 s", "10 s"))
    assert house.waiting("cpu") == 0
    await asyncio.sleep(0)
    assert [key for key, _ in house.broker.events] == ["pool.wake.cpu"]


async def test_who_may_wait_for_longer_or_need_not_wait_is_accepted(
    api: httpx2.AsyncClient, house: House, load: Load, tmp_path: Path
) -> None:
    await house.publish_model(tmp_path)
    crowd(load, ready=200, pace=10)
    asynchronous = await api.post(PREDICT, json=ROWS, headers={"Prefer": "respond-async"})
    assert asynchronous.status_code == 202
    assert (await api.post("/v1/tasks", json={"task": "echo"})).status_code == 202
    patient = asyncio.create_task(api.post(PREDICT, json=ROWS, headers={"Prefer": "wait=30"}))
    await asyncio.sleep(0.1)
    assert house.waiting("cpu") == 3
    patient.cancel()


async def test_a_prediction_that_nobody_can_wait_for_is_not_accepted(
    api: httpx2.AsyncClient, house: House, tmp_path: Path
) -> None:
    """Whoever is refused asks again, and every try would be work that nobody reads."""
    await house.publish_model(tmp_path)
    waiting = [asyncio.create_task(api.post(PREDICT, json=ROWS, headers={"Prefer": "wait=30"})) for _ in range(2)]
    async with asyncio.timeout(10):
        while house.waiting("cpu") < len(waiting):  # noqa: ASYNC110 - the in-memory broker tells nobody
            await asyncio.sleep(0.01)
    response = await api.post(PREDICT, json=ROWS)
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert house.waiting("cpu") == len(waiting)
    for one in waiting:
        one.cancel()


@pytest.mark.usefixtures("hurry")
async def test_a_pool_that_sleeps_is_not_overloaded(
    api: httpx2.AsyncClient, house: House, load: Load, tmp_path: Path
) -> None:
    await house.publish_model(tmp_path)
    crowd(load, ready=500, pace=0, consumers=0)
    response = await api.post(PREDICT, json=ROWS, headers={"Prefer": "wait=1"})
    assert response.status_code == 504


async def test_pools_show_what_waits_in_them(api: httpx2.AsyncClient, load: Load) -> None:
    crowd(load, ready=200, pace=10)
    pools = {pool["name"]: pool for pool in (await api.get("/v1/pools")).json()["pools"]}
    assert (pools["cpu"]["ready"], pools["cpu"]["consumers"]) == (200, 1)
    assert pools["cpu"]["estimated_wait_seconds"] == pytest.approx(20)


class Watched:
    """A load on a clock that stands, and the pools that it looks at."""

    def __init__(self, house: House) -> None:
        self.now = 0.0
        self.house = house
        self.load = Load(house.broker, house.records, DEFAULT_POOLS, lambda: self.now)

    async def pass_seconds(self, seconds: int, started: int = 0) -> None:
        """Sample every second while this many tasks are started in each."""
        for _ in range(seconds):
            for number in range(started):
                await self.house.records.claim(Task(f"n{number}", "cpu"), "c", alone=False)
            await self.load.sample()
            self.now += 1


@pytest.fixture(name="watched")
def _watched(house: House) -> Watched:
    return Watched(house)


async def test_the_load_is_what_queues_and_records_tell(watched: Watched, house: House) -> None:
    assert watched.load.of("cpu").ready is None
    for _ in range(30):
        await house.broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    async with house.broker.subscribe("warren.tasks.cpu", prefetch=0):
        await watched.pass_seconds(12, started=2)
        found = watched.load.of("cpu")
    assert (found.ready, found.consumers) == (30, 1)
    assert found.wait_seconds == pytest.approx(15)
    assert watched.load.of("train-cpu").wait_seconds is None


@pytest.mark.parametrize("what", ["broker", "records"])
async def test_what_cannot_be_seen_is_unknown_soon(watched: Watched, house: House, what: str) -> None:
    await watched.pass_seconds(3)
    assert watched.load.of("cpu").ready == 0
    getattr(house, what).available = False
    await watched.pass_seconds(4)
    assert watched.load.of("cpu").ready is None
    watched.load.admit("cpu", 0.001)


async def test_a_missing_queue_leaves_the_others_known(watched: Watched, house: House) -> None:
    del house.broker.queues["warren.tasks.cpu"]
    await watched.pass_seconds(1)
    assert (watched.load.of("cpu").ready, watched.load.of("train-cpu").ready) == (None, 0)
