"""Consumers and RabbitMQ are scraped each at a moment of its own: that is no reason to swing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.unit.operator.scraped import replay
from warren.resources import ConsumerPoolSpec
from warren_operator.pool.history import History, Measure
from warren_operator.pool.observation import Observation
from warren_operator.pool.scaling import step
from warren_operator.rehearsal.trace import Trace

SECONDS = 1500
SETTLED_SECONDS = 600


def pool(target: float, concurrency: int) -> ConsumerPoolSpec:
    spec = {
        "queue": "warren.tasks.cpu",
        "scaleTargetRef": {"name": "consumer"},
        "minReplicas": 1,
        "maxReplicas": 1000,
        "concurrency": concurrency,
        "target": {"waitSeconds": target},
    }
    return ConsumerPoolSpec.model_validate(spec)


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    rate=st.floats(0.5, 5),
    slots=st.floats(5, 100),
    target=st.floats(1, 60),
    start=st.floats(1, 30),
    concurrency=st.integers(1, 8),
    scrape=st.sampled_from([2, 5, 15]),
    seed=st.integers(0, 1000),
)
@example(rate=2.31, slots=89, target=1, start=1, concurrency=7, scrape=15, seed=475)
@example(rate=2.42, slots=80, target=36, start=10, concurrency=2, scrape=15, seed=425)
@example(rate=0.52, slots=66, target=1, start=1, concurrency=2, scrape=15, seed=408)
@example(rate=1.75, slots=66, target=47, start=20, concurrency=2, scrape=30, seed=126)
def test_a_steady_load_whose_pods_are_scraped_one_by_one_is_served_without_flapping(
    rate: float, slots: float, target: float, start: float, concurrency: int, scrape: int, seed: int
) -> None:
    trace = Trace.of("even", (index / rate for index in range(int(rate * SECONDS))), min(60, slots / rate))
    curve = replay(trace, pool(target, concurrency), start, scrape, seed)
    settled = [replicas for at, replicas in curve if at > SETTLED_SECONDS]
    changes = [after - before for before, after in pairwise(settled)]
    assert sum(one * other < 0 for one, other in pairwise(changes)) <= 1, settled


def test_what_ended_before_a_consumers_scrape_is_no_change_of_the_rate() -> None:
    """1/s arrive and 50 slots work all the time; by each second look 10 tasks more have ended."""
    history = History(slots=Measure(10_000, 200))
    for look in range(40):
        now = 15.0 * look
        finished, busy = now + 10 * (look % 2), 50 * now
        seen = Observation(10, 0, 50, finished, 50, 10, busy_seconds=busy, scraped_at=now)
        history = history.after(seen, now, 5)
        if look > 20:
            assert history.arrival_rate is not None
            assert history.service_seconds is not None
            assert history.arrival_rate * history.service_seconds == pytest.approx(50, rel=0.01)


def test_a_surge_of_long_tasks_is_told_in_full() -> None:
    """Three of 100 s begin each second, after a rest: there was hardly time to do anything of them."""
    history = History(slots=Measure(20_000, 200))
    for second in range(0, 72, 2):
        begun = 3.0 * max(0, second - 60)
        busy = 3.0 * max(0, second - 60) ** 2 / 2
        seen = Observation(999, 0, int(begun), 0.0, int(begun), 999, busy_seconds=busy, scraped_at=second)
        history = history.after(seen, second, 5)
    assert history.arrival_rate == pytest.approx(3, rel=0.01)


def test_more_than_chance_explains_is_counted() -> None:
    """Tasks of 100 s begin, and none ends yet: the time that slots were taken tells of few of them."""
    history = History(slots=Measure(20_000, 200))
    for second in range(0, 62, 2):
        taken = 40 * second
        seen = Observation(999, 0, taken, 0.0, taken, 999, busy_seconds=20.0 * second**2, scraped_at=second)
        history = history.after(seen, second, 5)
    assert history.arrival_rate == pytest.approx(40, rel=0.1)


def test_a_task_that_two_scrapes_found_is_one() -> None:
    """It was taken by one consumer after that was scraped and before another one was, where it had ended."""
    history, wanted = History(slots=Measure(5600, 200)), []
    for look in range(60):
        now, running = 2.0 * look, 9 if look == 50 else 7
        seen = Observation(15, 0, 7, 0.25 * now, running, 7, busy_seconds=7 * now, scraped_at=now)
        decision, history = step(seen, pool(1, 1), history, now)
        wanted.append(decision.wish)
    assert wanted[50] == wanted[49]


def test_a_task_more_that_is_there_now_and_then_is_no_reason_to_swing() -> None:
    """With a replica for each task, one more makes more than 5 %."""
    history, replicas, curve = History(slots=Measure(2000, 200), start_seconds=10), 11, set()
    for look in range(200):
        now, there = 2.0 * look, 5 + (look % 50 == 49)
        seen = Observation(replicas, 0, there, 0.502 * now + 5 - there, 5, 11, busy_seconds=5 * now, scraped_at=now)
        decision, history = step(seen, pool(1, 1), history, now)
        replicas = decision.replicas
        curve.add((look > 60, replicas))
    assert len([count for settled, count in curve if settled]) == 1, curve


def test_what_runs_counts_though_the_broker_has_taken_its_delivery_back() -> None:
    history, wishes = History(slots=Measure(20_000, 200)), []
    for now in range(0, 80, 2):
        seen = Observation(7, 0, 0, 0.07 * now, 7, 7, busy_seconds=7.0 * now, scraped_at=now)
        decision, history = step(seen, pool(1, 2), history, now)
        wishes.append(decision.wish)
    assert wishes[-1] >= 4


@pytest.mark.parametrize("unacked", [0, 1])
def test_a_task_that_waits_is_no_reason_to_forget_those_whose_delivery_was_taken_back(unacked: int) -> None:
    """More backlog asks for no fewer, although the broker counts little of what runs."""
    looks = [
        Observation(7, 0, unacked, 0.035 * now, 7, 7, busy_seconds=7.0 * now, scraped_at=now) for now in range(0, 80, 2)
    ]
    history = History(slots=Measure(20_000, 200))
    for look, seen in enumerate(looks):
        history = step(seen, pool(1, 2), history, 2 * look)[1]
    waiting = (replace(looks[-1], ready=ready, scraped_at=80) for ready in range(20))
    wishes = [step(seen, pool(1, 2), history, 80)[0].wish for seen in waiting]
    assert wishes == sorted(wishes)
    assert wishes[0] >= 4
