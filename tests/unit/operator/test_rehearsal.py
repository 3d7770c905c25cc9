"""Rehearsals: the model of queue and pods, those who scale it, and what the decision makes of random loads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from warren.resources import ConsumerPoolSpec, Target
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.keda import Keda
from warren_operator.rehearsal.plant import Plant
from warren_operator.rehearsal.rehearsal import Outcome, foretold, keda_value, least, levelled, rehearse, rehearse_keda
from warren_operator.rehearsal.scalers import Warren
from warren_operator.rehearsal.trace import DAY, Trace


def pool(
    target: float = 5, *, high: int = 100, concurrency: int = 1, low: int = 0, rest: int = 60, spare: int = 0
) -> ConsumerPoolSpec:
    return ConsumerPoolSpec.model_validate(
        {
            "queue": "q",
            "scaleTargetRef": {"name": "d"},
            "minReplicas": low,
            "maxReplicas": high,
            "concurrency": concurrency,
            "spareSlots": spare,
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
    plant.advance(13)
    assert (plant.running, plant.busy_seconds) == (2, 2 * 2.5)
    plant.advance(30)
    assert plant.busy_seconds == pytest.approx(4 * 4)
    assert list(plant.waits) == [10.5, 9.5, 12.5, 0]
    assert (plant.finished, plant.consumers, plant.done) == (4, 1, True)
    assert plant.replica_seconds() == 29.5


def test_a_pod_that_goes_finishes_what_it_has_begun_and_idle_ones_go_first() -> None:
    plant = Plant(Trace.of("t", [0, 0, 6], 10), concurrency=1, start_seconds=1)
    plant.scale(3)
    plant.advance(5)
    plant.scale(2)
    assert (plant.running, plant.outgoing, plant.replica_seconds()) == (2, 0, 15)
    plant.scale(0)
    assert (plant.running, plant.outgoing) == (2, 2)
    plant.advance(20)
    assert (plant.finished, plant.ready, plant.outgoing) == (2, 1, 0)
    assert plant.replica_seconds() == 5 + 11 + 11


def test_pods_that_start_go_before_those_that_work() -> None:
    plant = Plant(Trace.of("t", [0], 100), concurrency=1, start_seconds=1)
    plant.scale(1)
    plant.advance(5)
    plant.scale(3)
    plant.scale(1)
    plant.advance(6)
    assert (plant.consumers, plant.running, plant.replica_seconds()) == (1, 1, 6)


@dataclass(slots=True)
class Planned:
    """A scaler that asks for what it was told to, a number per stretch of some seconds, and goes to rest after that."""

    plan: Sequence[int]
    rest: int = 0
    seconds: int = 4
    name: str = "planned"
    wakes: bool = False

    def second(self, plant: Plant, second: int) -> None:
        index = second // self.seconds
        plant.scale(self.plan[index] if index < len(self.plan) else self.rest)

    def wake(self, plant: Plant) -> None:
        raise AssertionError(plant)


def thrifty(trace: Trace, spec: ConsumerPoolSpec, start: float, most: int) -> Iterator[Outcome]:
    """Yield what comes of plans that keep everybody within the target and are ever cheaper."""
    assert spec.target.wait_seconds
    length = int(trace.arrivals[-1] + spec.target.wait_seconds + max(trace.services)) // 4 + 2
    plan = [most] * length
    for _ in range(most - spec.min_replicas):
        for index in range(length):
            tried = [*plan[:index], max(spec.min_replicas, plan[index] - 1), *plan[index + 1 :]]
            outcome = rehearse(trace, spec, start, Planned(tried, spec.min_replicas))
            if not outcome.late(spec.target.wait_seconds):
                plan = tried
                yield outcome


@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    tasks=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 12)), min_size=1, max_size=8),
    target=st.integers(1, 12),
    start=st.integers(1, 12),
    concurrency=st.integers(1, 2),
    low=st.integers(0, 1),
)
@example(tasks=[(0, 4), (0, 4)], target=5, start=10, concurrency=1, low=0)
@example(tasks=[(0, 3), (30, 3)], target=5, start=10, concurrency=1, low=0)
@example(tasks=[(2, 9), (2, 9), (2, 9), (9, 2), (17, 12)], target=12, start=1, concurrency=1, low=1)
@example(tasks=[(0, 4), (0, 4), (0, 4), (0, 4), (0, 4)], target=1, start=2, concurrency=2, low=0)
def test_who_lets_nobody_wait_too_long_pays_no_less_than_the_least(
    tasks: list[tuple[int, int]], target: int, start: int, concurrency: int, low: int
) -> None:
    tasks.sort()
    trace = Trace("t", [start + at for at, _ in tasks], [float(service) for _, service in tasks])
    spec = pool(target, concurrency=concurrency, low=low, high=8)
    clairvoyant = foretold(trace, spec, start)
    require_a_plan(clairvoyant, trace, spec, start)
    others = [rehearse(trace, spec, start), rehearse_keda(trace, spec, start, 1), *thrifty(trace, spec, start, 4)]
    for other in (clairvoyant, *others):
        if not other.late(target):
            assert other.replica_seconds >= least(trace, spec, start, other.ended) - 1e-6, other


def require_a_plan(found: Outcome, trace: Trace, spec: ConsumerPoolSpec, start: float) -> None:
    """Require that it can be done: nobody waits too long, each task has a replica that is up, and all is paid for."""
    assert spec.target.wait_seconds is not None
    assert all(-1e-9 <= wait <= spec.target.wait_seconds + 1e-6 for wait in found.waits)
    begins = [at + wait for at, wait in zip(trace.arrivals, found.waits, strict=True)]
    ends = [begin + service for begin, service in zip(begins, trace.services, strict=True)]
    assert found.ended == max(ends)
    for begin in begins:
        running = sum(one <= begin < end - 1e-6 for one, end in zip(begins, ends, strict=True))
        assert running <= spec.concurrency * fewest(found.curve, begin - start + 1e-6, begin)
    area = sum(count * (end - at) for (at, count), (end, _) in pairwise([*found.curve, (found.ended, 0)]))
    before = spec.min_replicas * -found.curve[0][0]  # they are up and paid for from 0 on
    assert found.replica_seconds == pytest.approx(area - before)


def fewest(curve: Sequence[tuple[float, int]], since: float, until: float) -> int:
    """Return the fewest replicas that were wanted in a time: so many are up at its end."""
    at_first = [count for at, count in curve if at <= since][-1:] or [curve[0][1]]
    return min(at_first + [count for at, count in curve if since < at <= until])


def test_the_clairvoyant_pays_what_a_perfect_scaler_does() -> None:
    trace = Trace.of("t", [20, 120, 220], 3)
    up = [any(at - 10 <= second <= at for at in trace.arrivals) for second in range(250)]
    perfect = rehearse(trace, pool(), 10, Planned(up, seconds=1))
    assert (perfect.late(5), perfect.replica_seconds) == (0, 3 * (10 + 3))
    found = foretold(trace, pool(), 10)
    assert found.replica_seconds == perfect.replica_seconds == least(trace, pool(), 10, found.ended)


def test_the_clairvoyant_has_what_comes_seldom_wait_for_more() -> None:
    trace = Trace.of("t", [100 * batch + at for batch in range(5) for at in (0, 20)], 1)
    found = foretold(trace, pool(30), 10)
    assert found.replica_seconds == 5 * (10 + 2)
    assert set(found.waits) == {30, 11}


def test_the_clairvoyant_pays_the_work_and_the_starts_that_a_surge_takes() -> None:
    rates = [10, 50, 10]
    trace = Trace.of("t", (200 * index + at / rate for index, rate in enumerate(rates) for at in range(200 * rate)), 1)
    found = foretold(trace, pool(), 10)
    assert least(trace, pool(), 10, found.ended) == pytest.approx(14_000 + 50 * 10, rel=0.01)
    assert found.replica_seconds == pytest.approx(14_000 + 50 * 10, rel=0.03)
    assert max(count for _, count in found.curve) <= 51


def test_the_clairvoyant_keeps_the_minimum_for_nothing_more() -> None:
    trace = Trace.of("t", [index / 2 for index in range(200)], 1)
    for concurrency in (1, 2):
        found = foretold(trace, pool(low=2, concurrency=concurrency), 10)
        assert found.scalings == 0
        assert found.replica_seconds == 2 * found.ended == least(trace, pool(low=2), 10, found.ended)


def test_every_scaler_begins_at_the_minimum_which_is_up() -> None:
    trace = Trace.of("t", [0, 0.5, 1, 1.5], 1)
    spec = pool(low=3)
    for outcome in (rehearse(trace, spec, 10), rehearse_keda(trace, spec, 10), foretold(trace, spec, 10)):
        assert outcome.curve[0][1] == 3
    assert max(rehearse(trace, spec, 10).waits) == 0
    assert max(rehearse_keda(trace, spec, 10).waits) == 0


def test_spare_slots_are_there_from_the_beginning_and_stay() -> None:
    spec = pool(concurrency=2, spare=5)
    outcome = rehearse(Trace.of("t", [0, 0, 0, 1, 1], 1), spec, 10)
    assert (outcome.curve[0][1], outcome.curve[-1][1], max(outcome.waits)) == (3, 3, 0)
    assert outcome.ended < 150


def test_a_rehearsal_is_paid_for_until_the_scaler_is_back_at_the_minimum() -> None:
    trace = Trace.of("t", [0], 1)
    ours, theirs = rehearse(trace, pool(rest=60), 10), rehearse_keda(trace, pool(), 10)
    patient = rehearse(trace, pool(rest=300), 10)
    for outcome in (ours, theirs, patient):
        assert outcome.curve[-1][1] == 0
        assert outcome.replica_seconds == sum(
            (until - since) * count for (since, count), (until, _) in pairwise([*outcome.curve, (outcome.ended, 0)])
        )
    assert 60 <= ours.replica_seconds < 80
    assert patient.replica_seconds == ours.replica_seconds + 240
    assert theirs.replica_seconds == 300  # its cooldown


def test_all_are_paid_for_to_the_same_end() -> None:
    trace = Trace.of("t", [index / 2 for index in range(200)], 1)
    spec = pool(low=1)
    outcomes = [rehearse(trace, spec, 10), rehearse_keda(trace, spec, 10, 0.5), foretold(trace, spec, 10)]
    ours, theirs, bound = levelled(outcomes)
    assert ours.ended == theirs.ended == bound.ended == max(outcome.ended for outcome in outcomes)
    assert theirs == outcomes[1]  # KEDA rests last
    assert ours.replica_seconds == outcomes[0].replica_seconds + ours.ended - outcomes[0].ended
    assert bound.replica_seconds == outcomes[2].replica_seconds + bound.ended - outcomes[2].ended


@pytest.mark.parametrize(("shape", "target"), [(Shape.STEADY, 5), (Shape.STEP, 5), (Shape.BURSTY, 30)])
def test_the_clairvoyant_pays_little_more_than_the_least(shape: Shape, target: float) -> None:
    trace = generate(Recipe(shape, 8, seconds=3600))
    found = foretold(trace, pool(target), 10)
    assert found.late(target) == 0
    assert sum(trace.services) < least(trace, pool(target), 10, found.ended)
    assert found.replica_seconds < 1.1 * least(trace, pool(target), 10, found.ended)
    assert found.replica_seconds < rehearse(trace, pool(target), 10).replica_seconds


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
    assert [count for _, count in outcome.curve] == [0, 1, 0, 1, 0]
    assert 22 <= outcome.curve[2][0] < 26


@pytest.mark.parametrize(
    ("scrape", "shift"),
    [(2, 0), (2, 1), (5, 1), (10, 5), (15, 0), (15, 5), (30, 0), (30, 15), (30, 29), (60, 0), (60, 30), (60, 59)],
)
def test_a_prometheus_that_scrapes_seldom_is_no_reason_to_swing(scrape: int, shift: int) -> None:
    """Nor is it that RabbitMQ is scraped at other moments than the consumers."""
    spec = pool()
    trace = generate(Recipe(Shape.STEADY, seed=3, rate=10, seconds=900, service_seconds=1))
    outcome = rehearse(trace, spec, 10, Warren(spec, scrape_seconds=scrape, shift_seconds=shift))
    settled = [replicas for at, replicas in outcome.curve if 300 < at < 900]
    assert (max(settled, default=0) <= 20, len(settled) <= 10) == (True, True), settled


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    rate=st.floats(0.2, 20),
    service=st.floats(0.05, 20),
    target=st.floats(1, 120),
    start=st.floats(1, 60),
    concurrency=st.integers(1, 8),
)
@example(rate=3.502802519647902, service=0.05, target=1.0, start=1.0, concurrency=1)  # its interval fits the looks
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
    ours, clairvoyant = rehearse(trace, pool(target), 10), foretold(trace, pool(target), 10)
    theirs = rehearse_keda(trace, pool(target), 10)
    assert ours.late(target) < 0.005
    assert ours.replica_seconds < 1.6 * clairvoyant.replica_seconds
    assert ours.late(target) * 10 <= theirs.late(target)
    assert ours.replica_seconds < theirs.replica_seconds
