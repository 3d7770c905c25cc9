"""While Prometheus is away the figures are the broker's own, after some patience, and that is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.unit.operator.test_pool_life import QUEUE, condition, create, status
from tests.unit.operator.web import serving
from tests.unit.operator.world import SETTINGS, World
from warren.clock import ManualClock
from warren.errors import BrokerUnavailableError, UnavailableError
from warren_operator.cluster import Scale
from warren_operator.composition import Operator
from warren_operator.figures import Figure
from warren_operator.figures.broker import BrokerFigures
from warren_operator.figures.memory import MemoryFigures
from warren_operator.figures.reserve import ReserveFigures

TOLD = """# TYPE rabbitmq_detailed_queue_messages_ready gauge
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="a"} 3
rabbitmq_detailed_queue_messages_ready{vhost="/other",queue="a"} 9
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="b"} 1
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="aa"} 1
# TYPE rabbitmq_detailed_queue_messages_unacked gauge
rabbitmq_detailed_queue_messages_unacked{vhost="/",queue="a"} 2
rabbitmq_detailed_queue_messages_unacked{vhost="/",queue="aa"} 1
"""


class Sources:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.first, self.second = MemoryFigures(), MemoryFigures()
        self.both = ReserveFigures(self.first, self.second, self.clock, fresh_seconds=6)


async def test_the_second_source_is_asked_only_after_a_while() -> None:
    sources = Sources()
    sources.second.queues["a"] = Figure(5, 1, age=0)
    sources.first.available = False
    with pytest.raises(UnavailableError):
        await sources.both.read(["a"])
    sources.clock.advance(6)
    assert await sources.both.read(["a"]) == {"a": Figure(5, 1, age=0, instead="the figures are set to be unavailable")}
    sources.second.available = False
    with pytest.raises(UnavailableError, match="set to be unavailable"):
        await sources.both.read(["a"])


async def test_the_first_source_counts_again_when_it_is_back() -> None:
    sources = Sources()
    sources.second.queues["a"] = Figure(5, 1, age=0)
    sources.first.queues["a"] = Figure(0, 0, age=100)
    await sources.both.read(["a"])
    sources.clock.advance(6)
    assert (await sources.both.read(["a"]))["a"].ready == 5
    sources.first.queues["a"] = Figure(1, 0, age=1)
    assert await sources.both.read(["a"]) == {"a": Figure(1, 0, age=1)}
    sources.first.queues["a"] = Figure(1, 0, age=7)
    assert (await sources.both.read(["a"]))["a"].age == 7


async def read(told: str, *queues: str) -> Mapping[str, Figure]:
    with serving(told.encode()) as url:
        figures = BrokerFigures([url])
        try:
            return await figures.read(queues)
        finally:
            await figures.close()


async def test_what_a_node_tells_is_read() -> None:
    assert await read(TOLD, "a", "b") == {"a": Figure(3, 2, age=0)}


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
async def test_a_figure_that_is_no_number_is_that_queues_trouble_alone(value: str) -> None:
    assert await read(TOLD.replace('queue="aa"} 1', f'queue="aa"}} {value}'), "a", "aa") == {"a": Figure(3, 2, age=0)}


async def test_nodes_that_cannot_be_asked_are_named() -> None:
    figures = BrokerFigures(["http://127.0.0.1:1"])
    with pytest.raises(BrokerUnavailableError, match="is rabbitmq_prometheus enabled"):
        await figures.read(["a"])
    assert await figures.read([]) == {}
    await figures.close()


async def test_a_nodes_password_is_sent_and_never_told() -> None:
    with serving(TOLD.encode(), password="ann:secret") as url:
        known, unknown = (BrokerFigures([url.replace("//", f"//ann:{word}@")]) for word in ("secret", "crap"))
        assert await known.read(["a"]) == {"a": Figure(3, 2, age=0)}
        with pytest.raises(BrokerUnavailableError, match=f"RabbitMQ at {url} .*401") as caught:
            await unknown.read(["a"])
        assert "crap" not in caught.value.detail
        await known.close()
        await unknown.close()


async def test_a_node_that_does_not_tell_leaves_those_that_do() -> None:
    more, broken = TOLD.replace('queue="a"} 3', 'queue="a"} 4'), TOLD.replace('queue="a"} 3', 'queue="a"} three')
    with serving(TOLD.encode()) as one, serving(more.encode()) as other, serving(broken.encode()) as odd:
        figures = BrokerFigures([one, "http://127.0.0.1:1", odd, other])
        assert await figures.read(["a", "b"]) == {"a": Figure(4, 2, age=0)}
        await figures.close()


async def test_a_pool_goes_on_by_the_brokers_figures_and_says_so(world: World) -> None:
    create(world)
    world.cluster.deployments["consumer"] = Scale(2, 2)
    figures = ReserveFigures(MemoryFigures(), world.figures, world.clock, fresh_seconds=6)
    world.figures.queues[QUEUE] = Figure(7, 1, age=0)
    world.operator = Operator(replace(world.ports(), figures=figures), SETTINGS)
    await world.look()
    assert condition(world, "MetricsAvailable") == ("False", "MetricsUnknown")
    assert world.cluster.deployments["consumer"].wanted == 2
    await world.look(seconds=6)
    assert condition(world, "MetricsAvailable") == ("True", "FromBroker")
    assert world.cluster.deployments["consumer"].wanted == 4
    assert (status(world).ready, status(world).unacked) == (7, 1)
