"""A hint that comes at a bad moment: a pool that is just put to sleep, a drain, a pause, the operator's own start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.unit.operator.held import HeldCluster
from tests.unit.operator.test_pool_life import QUEUE, create, status
from tests.unit.operator.test_wakes import listening, submit, until, wanted
from tests.unit.operator.world import World
from warren.broker import Depth
from warren.broker.memory import MemoryBroker, MemorySubscription
from warren.event import encode_wake
from warren.pool import DEFAULT_POOLS
from warren.resources import PAUSED
from warren.topology import EVENTS, topology
from warren_operator.cluster import Kind, Scale
from warren_operator.figures import Figure

pytestmark = pytest.mark.usefixtures("hurry")

GPU = "warren.tasks.gpu"
BUSY = {"10.0.0.1:9090": 0}
"""A process of the pool, and what it works on."""
IMPATIENT = {"stabilizationSeconds": 0}


class AskedBroker(MemoryBroker):
    """A broker that remembers of which queues the depth was asked for."""

    def __init__(self, world: World) -> None:
        super().__init__(topology(DEFAULT_POOLS), world.clock)
        self.asked: list[str] = []

    async def depth(self, queue: str) -> Depth:
        """Answer as ever."""
        self.asked.append(queue)
        return await super().depth(queue)


class FaultyBroker(MemoryBroker):
    """A broker whose library fails once, in a way that nobody thought of, while it listens."""

    faults = 1

    @asynccontextmanager
    async def listen(self, patterns: Sequence[str]) -> AsyncIterator[MemorySubscription]:
        """Fail the first time."""
        async with super().listen(patterns) as subscription:
            if self.faults:
                self.faults -= 1
                raise RuntimeError("a library's fault")
            yield subscription


@pytest.fixture
def cluster(world: World) -> HeldCluster:
    """Give the world an API server that may take its time."""
    world.cluster = held = HeldCluster(world.clock)
    return held


def scalings(world: World) -> list[str]:
    return [notice.reason for _, notice in world.cluster.notices if notice.reason.startswith("Scaled")]


def create_gpu(world: World) -> None:
    world.cluster.deployments["gpu"] = Scale(0, 0)
    world.cluster.create(Kind.CONSUMER_POOL, "gpu", {"queue": GPU, "scaleTargetRef": {"name": "gpu"}})


async def tell(world: World, pool: str) -> None:
    message = encode_wake(pool)
    await world.broker.publish(message, exchange=EVENTS, routing_key=message.type or "")


def work_off(world: World) -> None:
    """Let a consumer take all that waits."""
    while world.broker.queues[QUEUE].ready:
        world.broker.queues[QUEUE].pop()


async def test_a_pool_whose_last_replicas_go_is_woken_as_well(world: World) -> None:
    """The figures are those of the moment before: consumers that still tell of themselves, and an empty queue."""
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=1)
    async with listening(world) as operator:
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1)
        await operator.pool_round()
        assert wanted(world) == 0
        await submit(world)
        await until(lambda: wanted(world) == 1)


async def test_a_hint_while_the_last_replica_is_sent_away_is_followed_right_after(
    world: World, cluster: HeldCluster
) -> None:
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=1)
    async with listening(world) as operator:
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1)
        cluster.hold("write", "consumer")
        putting_to_sleep = asyncio.create_task(operator.pool_round())
        await cluster.reached.wait()
        await submit(world)
        await asyncio.sleep(0.01)
        assert wanted(world) == 0
        cluster.go_on.set()
        await until(lambda: wanted(world) == 1)
        await putting_to_sleep
        assert scalings(world) == ["ScaledBacklog", "ScaledIdle", "ScaledBacklog"]


async def test_nobody_is_sent_away_while_a_hint_tells_more_than_the_figures(world: World) -> None:
    """The task that was told of may have been taken since the figures were: who works on it would be told to go."""
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=1)
    async with listening(world) as operator:
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1)
        await operator.wakes.pass_on("cpu")
        world.clock.advance(9)
        await operator.pool_round()
        assert (wanted(world), status(world).reason) == (1, "Woken")
        world.clock.advance(1)
        await operator.pool_round()
        assert (wanted(world), status(world).reason) == (0, "Idle")


async def test_what_is_older_than_the_sleep_does_not_end_it(world: World) -> None:
    """It would flap: up for a hint, put to sleep, up for the same hint."""
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=0)
    async with listening(world) as operator:
        await submit(world)
        await until(lambda: wanted(world) == 1)
        work_off(world)
        world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: "0"})
        await operator.resync()
        await operator.pool_round()
        assert wanted(world) == 0
        world.cluster.annotate(Kind.CONSUMER_POOL, "cpu", {})
        await operator.resync()
        for _ in range(10):
            world.clock.advance(1)
            await operator.pool_round()
        assert scalings(world) == ["ScaledBacklog", "ScaledPaused"]


async def test_one_task_is_one_waking_whatever_the_figures_still_show(world: World) -> None:
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        await submit(world)
        await until(lambda: wanted(world) == 1)
        work_off(world)
        for second in range(40):
            if second in {4, 20}:  # it is up; it is gone
                gone = second == 20
                told = Figure(0, 0, age=1) if gone else Figure(0, 0, age=1, consumers=1, busy=BUSY)
                world.figures.queues[QUEUE] = told
            world.clock.advance(1)
            await operator.pool_round()
        assert scalings(world) == ["ScaledBacklog", "ScaledIdle"]


async def test_those_on_their_way_out_are_not_taken_for_those_to_come(world: World) -> None:
    """While they finish what they hold, they tell of themselves: seven tasks still wait for somebody else."""
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=1, busy=BUSY)
    async with listening(world) as operator:
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1, busy=BUSY)
        await operator.pool_round()
        assert wanted(world) == 0
        await submit(world, 7)
        await operator.wakes.pass_on("cpu")
        for _ in range(4):
            assert wanted(world) == 4
            world.clock.advance(2)
            await operator.pool_round()
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=2, busy={**BUSY, "10.0.0.2:9090": 0})
        await operator.pool_round()
        assert wanted(world) == 1  # the new one has told of itself, so the figures count again


async def test_who_says_that_it_goes_is_not_subtracted_once_more(world: World) -> None:
    """One leaves and says so; as soon as the new one has told of itself, the figures count again."""
    create(world, scaleDown=IMPATIENT)
    world.figures.queues[QUEUE] = Figure(0, 2, age=1, consumers=1, busy=BUSY)
    async with listening(world) as operator:
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1, busy=BUSY)
        await operator.pool_round()
        await submit(world, 7)
        await operator.wakes.pass_on("cpu")
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=0, busy=BUSY, leaving=BUSY.keys())
        world.clock.advance(2)
        await operator.pool_round()
        assert wanted(world) == 4
        both = {**BUSY, "10.0.0.2:9090": 0}
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=1, busy=both, leaving=BUSY.keys())
        await operator.pool_round()
        assert wanted(world) == 1


async def test_a_paused_pool_is_left_alone_and_woken_once_it_is_let_go(world: World, cluster: HeldCluster) -> None:
    create(world)
    cluster.annotate(Kind.CONSUMER_POOL, "cpu", {PAUSED: "0"})
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        looks = cluster.looks
        await operator.wakes.pass_on("cpu")
        assert (wanted(world), cluster.looks) == (0, looks)
        cluster.annotate(Kind.CONSUMER_POOL, "cpu", {})
        await operator.resync()
        await operator.pool_round()
        assert (wanted(world), status(world).reason) == (1, "Woken")


async def test_advice_is_given_at_once_too_and_only_where_nobody_serves(world: World, cluster: HeldCluster) -> None:
    create(world, adviseOnly=True)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        await submit(world)
        await until(lambda: status(world).desired_replicas == 1)
        assert (wanted(world), scalings(world)) == (0, [])
        world.cluster.deployments["consumer"] = Scale(2, 2)  # somebody takes the advice
        world.figures.queues[QUEUE] = Figure(0, 0, age=1, consumers=2)
        world.clock.advance(100)
        await operator.pool_round()
        looks = cluster.looks
        await operator.wakes.pass_on("cpu")
        assert (status(world).desired_replicas, cluster.looks) == (0, looks)


async def test_a_hint_before_the_operator_knows_its_pools_is_remembered(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.operator.wakes.pass_on("cpu")
    await world.look()
    assert (wanted(world), status(world).reason) == (1, "Woken")


async def test_a_hint_before_the_first_look_says_nothing_of_figures_that_were_not_read(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    await world.operator.resync()
    await world.operator.wakes.pass_on("cpu")
    await world.operator.pool_round()
    assert scalings(world) == ["ScaledWoken"]
    assert [notice.reason for _, notice in world.cluster.notices if notice.type == "Warning"] == []


async def test_only_queues_that_producers_tell_of_are_asked(world: World) -> None:
    """RabbitMQ lets this account ask for Warren's queues only."""
    world.broker = broker = AskedBroker(world)
    create(world)
    for queue in ("celery", "warren.tasks.nobody"):
        name = queue.rpartition(".")[2]
        world.cluster.deployments[name] = Scale(0, 0)
        world.cluster.create(Kind.CONSUMER_POOL, name, {"queue": queue, "scaleTargetRef": {"name": name}})
    world.figures.queues |= {name: Figure(0, 0, age=1) for name in (QUEUE, "celery", "warren.tasks.nobody")}
    async with listening(world) as operator:
        await submit(world)
        broker.asked.clear()
        await operator.pool_round()
        assert wanted(world) == 1
        assert {*broker.asked} == {QUEUE, "warren.tasks.nobody"}


async def test_a_broker_that_cannot_be_asked_spoils_no_round(world: World) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        world.broker.available = False
        world.figures.queues[QUEUE] = Figure(1, 0, age=1)
        await operator.pool_round()
        assert wanted(world) == 1
        world.figures.queues[QUEUE] = Figure(3, 0, age=1)
        world.clock.advance(1)
        await operator.pool_round()
        assert wanted(world) == 2


async def test_one_pool_that_takes_its_time_holds_up_no_other(world: World, cluster: HeldCluster) -> None:
    create(world)
    create_gpu(world)
    world.figures.queues |= {QUEUE: Figure(0, 0, age=1), GPU: Figure(0, 0, age=1)}
    async with listening(world):
        cluster.hold("read", "gpu")
        await tell(world, "gpu")
        await cluster.reached.wait()
        await submit(world)
        await until(lambda: wanted(world) == 1)
        assert wanted(world, "gpu") == 0
        cluster.go_on.set()
        await until(lambda: wanted(world, "gpu") == 1)


async def test_many_hints_are_two_looks_at_most(world: World, cluster: HeldCluster) -> None:
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world) as operator:
        looks = cluster.looks
        cluster.hold("read", "consumer")
        hints = [asyncio.create_task(operator.wakes.pass_on("cpu"))]
        await cluster.reached.wait()
        hints += [asyncio.create_task(operator.wakes.pass_on("cpu")) for _ in range(50)]
        await asyncio.sleep(0.01)
        cluster.go_on.set()
        await asyncio.gather(*hints)
        assert cluster.looks == looks + 2
        assert scalings(world) == ["ScaledWoken"]


async def test_no_fault_of_a_library_leaves_it_deaf(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren_operator.wakes._PAUSE_SECONDS", 0.1)
    world.broker = FaultyBroker(topology(DEFAULT_POOLS), world.clock)
    create(world)
    world.figures.queues[QUEUE] = Figure(0, 0, age=1)
    async with listening(world):
        await asyncio.sleep(0.3)
        await submit(world)
        await until(lambda: wanted(world) == 1)
