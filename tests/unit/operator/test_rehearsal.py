"""Rehearsals: the model of queue and pods, those who scale it, and what the decision makes of random loads."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from warren.resources import ConsumerPoolSpec, Target
from warren_operator.rehearsal.clairvoyance import foresee
from warren_operator.rehearsal.generation import DAY, Recipe, Shape, generate
from warren_operator.rehearsal.keda import Keda
from warren_operator.rehearsal.plant import Plant
from warren_operator.rehearsal.rehearsal import foretold, keda_value, rehearse, rehearse_keda
from warren_operator.rehearsal.scalers import Warren
from warren_operator.rehearsal.trace import Trace


def pool(target: float = 5, *, high: int = 100, concurrency: int = 1, low: int = 0, rest: int = 60) -> ConsumerPoolSpec:
    return ConsumerPoolSpec.model_validate(
        {
            "queue": "q",
            "scaleTargetRef": {"name": "d"},
            "minReplicas": low,
            "maxReplicas": high,
            "concurrency": concurrency,
            "target": {"waitSeconds": target},
            "scaleDown": {"stabilizationSeconds": rest},
        }
    )


def test_the_plant_serves_in_order_once_a_pod_is_up() -> None:
    plant = Plant(Trace.of("t", [0, 1, 2, 20], 4), concurrency=2, start_seconds=10)
    plant.advance(0.5)
    plant.scale(1)
    plant.advance(10)
    assert (plant.ready, plant.running, plant.consumers, plant.replicas) == (3, 0, 0, 1)
    plant.advance(30)
    assert list(plant.waits) == [10.5, 9.5, 12.5, 0]
    assert (plant.finished, plant.consumers, plant.done) == (4, 1, True)
    assert plant.replica_seconds() == 29.5


def test_a_pod_that_goes_finishes_what_it_has_begun_and_idle_ones_go_first() -> None:
    plant = Plant(Trace.of("t", [0, 0, 6], 10), concurrency=1, start_seconds=1)
    plant.scale(3)
    plant.advance(5)
    plant.scale(2)
    assert (plant.running, plant.replica_seconds()) == (2, 15)
    plant.scale(0)
    plant.advance(20)
    assert (plant.finished, plant.ready) == (2, 1)
    assert plant.replica_seconds() == 5 + 11 + 11


def test_pods_that_start_go_before_those_that_work() -> None:
    plant = Plant(Trace.of("t", [0], 100), concurrency=1, start_seconds=1)
    plant.scale(1)
    plant.advance(5)
    plant.scale(3)
    plant.scale(1)
    plant.advance(6)
    assert (plant.consumers, plant.running, plant.replica_seconds()) == (1, 1, 6)


def test_the_clairvoyant_lets_nobody_wait_too_long_and_gives_idle_slots_up() -> None:
    found = foresee(Trace.of("t", [0, 3, 4, 100], 3), target_seconds=5, start_seconds=10, concurrency=1)
    assert list(found.waits) == [5, 5, 5, 5]
    # a slot that the first two share, another for the third (the first is taken until 11), one more much later
    assert found.replica_seconds() == (10 + 3 + 3) + (10 + 3) + (10 + 3)
    packed = foresee(Trace.of("t", [0, 0], 3), target_seconds=0, start_seconds=10, concurrency=2)
    assert packed.replica_seconds() == 13


def test_the_clairvoyant_is_a_bound() -> None:
    for shape in (Shape.STEADY, Shape.BURSTY):
        trace = generate(Recipe(shape, 7, seconds=1800))
        found = foretold(trace, pool(), 10)
        assert found.late(5) == 0
        assert found.replica_seconds >= sum(trace.services)
        assert found.replica_seconds < rehearse(trace, pool(), 10).replica_seconds


@pytest.mark.parametrize("shape", Shape)
def test_a_seed_is_a_trace(shape: Shape) -> None:
    recipe = Recipe(shape, 3, rate=1, seconds=DAY)
    trace = generate(recipe)
    assert list(trace.arrivals) == sorted(trace.arrivals) == list(generate(recipe).arrivals)
    assert list(trace.arrivals) != list(generate(replace(recipe, seed=4)).arrivals)
    assert len(trace.arrivals) / recipe.seconds == pytest.approx(recipe.rate, rel=0.2)


def test_the_shapes_differ_by_how_the_rate_varies() -> None:
    spread = {}
    for shape in (Shape.STEADY, Shape.BURSTY, Shape.STEP):
        counts = [0] * 61
        for at in generate(Recipe(shape, 1, seconds=3600)).arrivals:
            counts[int(at / 60)] += 1
        spread[shape] = pstdev(counts[:60]) / math.sqrt(fmean(counts[:60]))
    assert spread[Shape.STEADY] < 1.5 < spread[Shape.STEP] < spread[Shape.BURSTY]


def test_keda_polls_a_sleeping_pool_doubles_and_takes_its_time_to_sleep() -> None:
    trace = Trace.of("t", [index / 10 for index in range(1200)], 1)
    outcome = rehearse_keda(trace, pool(high=64), 10, 1)
    ups = [count for (_, before), (_, count) in pairwise(outcome.curve) if count > before]
    assert ups[:4] == [1, 4, 8, 16]
    assert outcome.curve[1][0] == 15
    plant, keda = Plant(Trace.of("t", [0], 1), concurrency=1, start_seconds=10), Keda(pool(), 1)
    for second in range(400):
        plant.advance(second)
        keda.second(plant, second)
        assert plant.replicas == (15 <= second < 315)


def test_kedas_value_suits_the_target() -> None:
    trace = Trace.of("t", [0, 1], 0.5)
    assert keda_value(trace, pool(5, concurrency=4)) == 40
    assert keda_value(Trace.of("t", [0, 1], 60), pool(5, concurrency=4)) == 4


def test_a_wake_starts_the_first_pod_at_once() -> None:
    outcome = rehearse(Trace.of("t", [30.5], 1), pool(), 10)
    assert outcome.curve[1] == (30.7, 1)
    assert outcome.waits[0] == pytest.approx(10.2)


def test_figures_are_as_old_as_rabbitmq_makes_them() -> None:
    trace = Trace.of("burst", [11.0] * 200, 1)
    spec = pool(low=1)
    first = {}
    for period in (1, 5):
        outcome = rehearse(trace, spec, 1, Warren(spec, period))
        first[period] = next(at for at, replicas in outcome.curve if replicas > 2)
    # The refresh, Prometheus' next scrape and, one second later, the decision; that one works is known before.
    assert first == {1: 13, 5: 17}


def test_the_last_pod_stays_until_the_figures_can_show_what_was_told() -> None:
    by_tasks = pool(rest=0).model_copy(update={"target": Target(tasks_per_replica=1)})
    outcome = rehearse(Trace.of("t", [0, 12, 60], 1), by_tasks, 10)
    assert [count for _, count in outcome.curve] == [0, 1, 0, 1]
    assert 22 <= outcome.curve[2][0] < 26


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    rate=st.floats(0.2, 20),
    service=st.floats(0.05, 20),
    target=st.floats(1, 120),
    start=st.floats(1, 60),
    concurrency=st.integers(1, 8),
)
def test_a_steady_load_is_served_without_flapping(
    rate: float, service: float, target: float, start: float, concurrency: int
) -> None:
    count = int(rate * 1800)
    trace = Trace.of("even", (index / rate for index in range(count)), service)
    spec = pool(target, high=1000, concurrency=concurrency, low=1)
    outcome = rehearse(trace, spec, start)
    settled = [(at, replicas) for at, replicas in outcome.curve if at > 900]
    changes = [after - before for (_, before), (_, after) in pairwise(settled)]
    turns = sum(one * other < 0 for one, other in pairwise(changes))
    assert turns <= 1, settled
    late = outcome.waits[len(outcome.waits) // 2 :]
    assert max(late) <= target
    assert not outcome.unserved


@pytest.mark.parametrize(("shape", "target"), [(Shape.STEADY, 5), (Shape.BURSTY, 30)])
def test_a_random_load_is_served_in_time_for_little(shape: Shape, target: float) -> None:
    trace = generate(Recipe(shape, 5, seconds=7200))
    ours, bound = rehearse(trace, pool(target), 10), foretold(trace, pool(target), 10)
    theirs = rehearse_keda(trace, pool(target), 10)
    assert ours.late(target) < 0.005
    assert ours.replica_seconds < 1.7 * bound.replica_seconds
    assert ours.late(target) * 10 <= theirs.late(target)
    assert ours.replica_seconds < theirs.replica_seconds
