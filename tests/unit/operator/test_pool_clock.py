"""The time of day is set back, or stands still: what lasts, lasts as long as ever."""

from __future__ import annotations

import json

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.web import serving
from tests.unit.operator.world import World
from warren.clock import ManualClock
from warren_operator.cluster import Scale
from warren_operator.figures import Figure
from warren_operator.figures.memory import MemoryFigures
from warren_operator.figures.prometheus import PrometheusFigures, PrometheusUnavailableError
from warren_operator.figures.reserve import ReserveFigures
from warren_operator.loop import Loop

HOUR = 3600.0


def wanted(world: World) -> int:
    return world.cluster.deployments["consumer"].wanted


async def test_the_stabilization_lasts_no_longer(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(3, 3)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    world.clock.jump(-HOUR)
    await world.look(seconds=59)
    assert (wanted(world), status(world).reason) == (3, "Stabilizing")
    await world.look(seconds=1)
    assert wanted(world) == 0


async def test_a_hint_is_no_older_and_no_younger(world: World) -> None:
    create(world, scaleDown={"stabilizationSeconds": 0})
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.look()
    await world.operator.wakes.pass_on("cpu")
    world.clock.jump(-HOUR)
    await world.look(seconds=5)
    assert (wanted(world), status(world).reason) == (1, "Woken")
    await world.look(seconds=6)
    assert wanted(world) == 0


async def test_speeds_and_waits_are_those_of_the_time_that_passed(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(1, 1)
    for second in range(0, 60, 2):
        finished = {"a": 5.0 * second}
        world.figures.queues[QUEUE] = Figure(0, 1, age=1, running=1, consumers=1, finished=finished)
        if second == 30:
            world.clock.jump(-HOUR)
        await world.look(seconds=2)
    assert (status(world).arrival_rate, status(world).service_seconds) == (5, 0.2)


async def test_a_clock_that_stands_still_harms_nothing(world: World) -> None:
    create(world)
    for ready in (5, 5, 10):
        world.figures.queues[QUEUE] = Figure(ready, 1, age=1, running=1, consumers=1, finished={"a": 1.0})
        await world.look()
    assert wanted(world) == 5
    assert condition(world, "MetricsAvailable") == ("True", "Fresh")


async def test_the_second_source_is_asked_as_soon_as_ever() -> None:
    clock, first, second = ManualClock(), MemoryFigures(), MemoryFigures()
    both = ReserveFigures(first, second, clock, fresh_seconds=6)
    second.queues["a"] = Figure(5, 1, age=0)
    assert await both.read(["a"]) == {}
    clock.jump(-HOUR)
    clock.advance(6)
    assert (await both.read(["a"]))["a"].ready == 5


def test_a_loop_is_as_old_as_it_is() -> None:
    async def work() -> None:
        pass

    clock = ManualClock()
    loop = Loop("clock", work, clock, period=2)
    clock.jump(-HOUR)
    clock.advance(5)
    assert loop.age == 5


def answer(at: float) -> bytes:
    """Return what Prometheus answers at this time about a scrape a second ago."""
    values = {"ready": 3, "unacked": 1, "time": at - 1}
    samples = [{"metric": {"queue": "a", "figure": name}, "value": [at, str(one)]} for name, one in values.items()]
    return json.dumps({"data": {"result": samples}}).encode()


async def test_prometheus_own_clock_goes_back() -> None:
    """What it calls a second old was scraped an hour ago: nothing of it is fresh until it has caught up."""
    now = 1_750_000_000.0
    times = iter([now, now - 2, now - HOUR, now + 1])
    with serving(lambda: answer(next(times))) as url:
        prometheus = PrometheusFigures(url)
        assert (await prometheus.read(["a"]))["a"].age == 1
        assert (await prometheus.read(["a"]))["a"].age == 1
        with pytest.raises(PrometheusUnavailableError, match="went back by 3600 s"):
            await prometheus.read(["a"])
        assert (await prometheus.read(["a"]))["a"].age == 1
        await prometheus.close()
