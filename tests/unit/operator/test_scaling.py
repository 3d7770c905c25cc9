"""The scaling rule: its table of cases, and what holds for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from warren.resources import ConsumerPoolSpec
from warren_operator.pool.demand import estimated_wait
from warren_operator.pool.history import History, Measure, Point
from warren_operator.pool.observation import Observation
from warren_operator.pool.scaling import Decision, Reason, decide, step

NOW = 1_000_000.0


def spec(
    low: int = 0,
    high: int = 10,
    per: int | None = None,
    *,
    concurrency: int = 4,
    rest: int = 60,
    wait: float = 5,
    **more: Any,
) -> ConsumerPoolSpec:
    return ConsumerPoolSpec.model_validate(
        {
            "queue": "q",
            "scaleTargetRef": {"name": "d"},
            "minReplicas": low,
            "maxReplicas": high,
            "concurrency": concurrency,
            "target": {"tasksPerReplica": per} if per else {"waitSeconds": wait},
            "scaleDown": {"stabilizationSeconds": rest},
            **more,
        }
    )


def measured(
    rate: float, service: float, *, start: float = 10.0, wishes: tuple[tuple[float, int], ...] = ()
) -> History:
    """A pool that has been watched for a minute."""
    return History(
        looked_at=NOW,
        arrived=tuple(Point(NOW - 60 + second, rate * second) for second in range(0, 61, 2)),
        slots=Measure(100 * service, 100),
        start_seconds=start,
        wishes=wishes,
    )


@pytest.mark.parametrize(
    ("seen", "rule", "replicas", "reason"),
    [
        # from zero, at once
        (Observation(0, 1, 0), spec(), 1, Reason.BACKLOG),
        (Observation(0, 4, 0), spec(), 1, Reason.BACKLOG),
        (Observation(0, 5, 0), spec(), 2, Reason.BACKLOG),
        (Observation(0, 0, 0), spec(), 0, Reason.IDLE),
        (Observation(0, 0, 0, woken=True), spec(), 1, Reason.WOKEN),
        (Observation(0, woken=True), spec(), 1, Reason.WOKEN),
        (Observation(3, 0, 12, woken=True), spec(), 3, Reason.BACKLOG),
        (Observation(1, 0, 0, consumers=1, woken=True), spec(rest=0), 1, Reason.WOKEN),
        (Observation(1, 0, 0, consumers=1, woken=True), spec(low=1, rest=0), 1, Reason.IDLE),
        # what is under way counts, by whoever knows of it
        (Observation(1, 1, 4), spec(), 2, Reason.BACKLOG),
        (Observation(0, 0, 1), spec(), 1, Reason.BACKLOG),
        (Observation(4, 0, 0, running=4), spec(concurrency=1), 4, Reason.BACKLOG),
        # Taken since the broker was asked: it runs already, and is still told as ready.
        (Observation(1, 1, 0, running=1), spec(concurrency=1, per=1), 1, Reason.BACKLOG),
        # the target by tasks
        (Observation(0, 41, 0), spec(per=20), 3, Reason.BACKLOG),
        (Observation(0, 41, 0), spec(per=20, concurrency=1), 3, Reason.BACKLOG),
        # bounds
        (Observation(0, 1000, 0), spec(), 10, Reason.AT_MAXIMUM),
        (Observation(10, 1000, 0), spec(), 10, Reason.AT_MAXIMUM),
        (Observation(10, 40, 0), spec(), 10, Reason.BACKLOG),
        (Observation(0, 0, 0), spec(low=2), 2, Reason.IDLE),
        (Observation(1), spec(low=2), 2, Reason.METRICS_UNKNOWN),
        # a warm spare
        (Observation(0, 0, 0), spec(spareSlots=5), 2, Reason.BACKLOG),
        (Observation(2, 0, 8), spec(spareSlots=1), 3, Reason.BACKLOG),
        (Observation(10, 0, 38), spec(spareSlots=8), 10, Reason.BACKLOG),
        (Observation(10, 0, 41), spec(spareSlots=8), 10, Reason.AT_MAXIMUM),
        # never below what holds the tasks under way
        (Observation(5, 0, 17), spec(per=20), 5, Reason.BUSY),
        (Observation(5, 0, 5), spec(per=20), 2, Reason.BACKLOG),
        (Observation(5, 0, 0), spec(), 0, Reason.IDLE),
        (Observation(5, 0, 0), spec(low=1), 1, Reason.IDLE),
        # unknown is not zero
        (Observation(5), spec(), 5, Reason.METRICS_UNKNOWN),
        (Observation(5, 0), spec(), 5, Reason.METRICS_UNKNOWN),
        (Observation(0), spec(), 0, Reason.METRICS_UNKNOWN),
        # somebody scaled by hand
        (Observation(50, 1000, 0), spec(), 10, Reason.ABOVE_MAXIMUM),
        (Observation(50, 1000, 80), spec(), 20, Reason.ABOVE_MAXIMUM),
        (Observation(50, 1000, 200), spec(), 50, Reason.BUSY),
        # paused
        (Observation(5, 1000, 0, paused="2"), spec(), 2, Reason.PAUSED),
        (Observation(5, 0, 0, paused="20"), spec(), 20, Reason.PAUSED),
        (Observation(5, paused="0"), spec(), 0, Reason.PAUSED),
        (Observation(5, 1000, 0, paused="none"), spec(), 5, Reason.PAUSED),
        (Observation(5, 1000, 0, paused="-1"), spec(), 5, Reason.PAUSED),
        (Observation(5, 1000, 0, paused="99999999999"), spec(), 5, Reason.PAUSED),
    ],
)
def test_the_table(seen: Observation, rule: ConsumerPoolSpec, replicas: int, reason: Reason) -> None:
    decision = decide(seen, rule, History(), NOW)
    assert (decision.replicas, decision.reason) == (replicas, reason)
    assert decision.message


@pytest.mark.parametrize(
    ("seen", "history", "wait", "replicas"),
    [
        # 10/s of 1 s each in single slots: ten, and one that lets chance's queues drain
        (Observation(11, 0, 10, 0, 10, 11), measured(10, 1), 5, 11),
        # twelve would not flap; of thirteen one goes
        (Observation(12, 0, 10, 0, 10, 12), measured(10, 1), 5, 12),
        (Observation(13, 0, 10, 0, 10, 13), measured(10, 1), 5, 12),
        # a longer target needs less of a spare
        (Observation(13, 0, 10, 0, 10, 13), measured(10, 1), 50, 11),
        # 70 too many are to be gone 3.75 s after a pod has come
        (Observation(11, 80, 11, 0, 11, 11), measured(10, 1), 5, 19),
        # the same backlog is none of 300 s
        (Observation(11, 80, 11, 0, 11, 11), measured(10, 1), 300, 11),
        # a target of 40 s leaves 35 s: figures come no later for it
        (Observation(0, 700, 0, 0, 0, 0), measured(0, 1, start=0), 40, 20),
        # long tasks: each that waits needs a slot, and no more than that
        (Observation(2, 3, 2, 0, 2, 2), measured(0, 3600), 5, 5),
        # the shortest target that a number can be is one like any other
        (Observation(2, 3, 2, 0, 2, 2), measured(0, 3600), 5e-324, 5),
    ],
)
def test_the_target_by_wait(seen: Observation, history: History, wait: float, replicas: int) -> None:
    assert decide(seen, spec(high=100, concurrency=1, wait=wait), history, NOW).replicas == replicas


def test_pods_that_are_on_their_way_are_not_asked_for_again() -> None:
    rule, before = spec(high=100, concurrency=1), measured(20, 1)
    first = decide(Observation(10, 50, 10, 0, 10, 10), rule, before, NOW)
    asked = replace(before, raises=((NOW, first.replicas),))
    later = decide(Observation(first.replicas, 50 + 20, 10, 0, 10, 10), rule, asked, NOW + 2)
    assert first.replicas > 20
    assert later.replicas <= first.replicas + 1


def test_what_was_recommended_lately_holds() -> None:
    rule = spec(per=1, rest=60)
    seen = Observation(8, 0, 0)
    for age, replicas, reason in ((59, 6, Reason.IDLE), (60, 0, Reason.IDLE)):
        decision = decide(seen, rule, History(wishes=((NOW - age, 6),)), NOW)
        assert (decision.replicas, decision.reason) == (replicas, reason)
    held = decide(seen, rule, History(wishes=((NOW - 59, 8),)), NOW)
    assert (held.replicas, held.reason) == (8, Reason.STABILIZING)


def test_no_arrivals_are_no_idleness_while_tasks_are_under_way() -> None:
    history = measured(0, 32, wishes=((NOW - 100, 4),))
    fewer = decide(Observation(4, 0, 10, 0, 10, 4), spec(concurrency=8), history, NOW)
    assert (fewer.replicas, fewer.reason) == (2, Reason.BACKLOG)
    least = decide(Observation(2, 0, 10, 0, 10, 2), spec(low=2, concurrency=8), history, NOW)
    assert (least.replicas, least.reason) == (2, Reason.BUSY)
    for decision in (fewer, least):
        assert "0 ready and 10 under way" in decision.message


def test_a_pool_sleeps_as_soon_as_its_stabilization_time_lets_it() -> None:
    """One task a while ago makes a rate for a minute: no reason to stay up for so long."""
    arrived = tuple(Point(NOW - 60 + second, float(second >= 45)) for second in range(0, 61, 2))
    for ago, replicas, reason in ((4, 1, Reason.STABILIZING), (6, 0, Reason.IDLE)):
        history = replace(measured(0, 1, wishes=((NOW - ago, 1),)), arrived=arrived)
        decision = decide(Observation(1, 0, 0, 1, 0, 1), spec(rest=5), history, NOW)
        assert (decision.replicas, decision.reason) == (replicas, reason)
    lately = replace(measured(0, 1), arrived=tuple(Point(NOW - ago, float(ago <= 6)) for ago in (60, 8, 6, 0)))
    assert decide(Observation(1, 0, 0, 1, 0, 1), spec(rest=5), lately, NOW).replicas == 1


def test_no_flapping_about_a_whole_number() -> None:
    rule = spec(per=1, rest=0, high=100)
    assert decide(Observation(40, 41, 0), rule, History(), NOW).replicas == 41
    assert decide(Observation(41, 40, 0), rule, History(), NOW).replicas == 41
    assert decide(Observation(41, 38, 0), rule, History(), NOW).replicas == 39


def test_one_training_needs_no_second_replica() -> None:
    rule = spec(per=1, rest=0, high=4)
    assert decide(Observation(2, 0, 1, running=1), rule, History(), NOW).replicas == 1


counts = st.integers(0, 10_000)
maybe = st.one_of(st.none(), counts)
rules = st.builds(
    lambda low, more, concurrency, rest, target: spec(
        low, low + more, concurrency=concurrency, rest=rest, target=target
    ),
    st.integers(0, 5),
    st.integers(1, 200),
    st.integers(1, 16),
    st.integers(0, 300),
    st.one_of(
        st.builds(lambda wait: {"waitSeconds": wait}, st.floats(0.1, 1000)),
        st.builds(lambda per: {"tasksPerReplica": per}, st.integers(1, 50)),
    ),
)
histories = st.one_of(
    st.just(History()),
    st.builds(
        lambda rate, service, start, wish: measured(rate, service, start=start, wishes=((NOW - 30, wish),)),
        st.floats(0, 100),
        st.floats(0.01, 10_000),
        st.floats(1, 300),
        st.integers(0, 200),
    ),
)
sights = st.builds(
    lambda replicas, ready, unacked, running, up: Observation(replicas, ready, unacked, 0.0, running, up),
    st.integers(0, 250),
    maybe,
    maybe,
    st.integers(0, 500),
    st.one_of(st.none(), st.integers(0, 250)),
)


@given(seen=sights, rule=rules, history=histories)
def test_what_holds_whatever_is_seen(seen: Observation, rule: ConsumerPoolSpec, history: History) -> None:
    decision = decide(seen, rule, history, NOW)
    assert rule.min_replicas <= decision.replicas <= max(seen.replicas, rule.max_replicas)
    assert decision.wish <= max(seen.replicas, rule.max_replicas)
    assert not (decision.reason is Reason.IDLE and seen.work), "whoever works is not idle"
    if decision.replicas < seen.replicas:
        assert seen.known, "unknown is not zero"
        assert decision.replicas * rule.concurrency >= seen.in_flight, "what is under way keeps its slot"
    assert decision == decide(seen, rule, history, NOW)


@given(seen=sights, rule=rules, history=histories, ready=counts, more=counts)
@example(Observation(6, 0, 0, consumers=6), spec(concurrency=1), measured(0.5, 5), 0, 1)
def test_more_work_never_gets_fewer_replicas(
    seen: Observation, rule: ConsumerPoolSpec, history: History, ready: int, more: int
) -> None:
    seen = replace(seen, ready=ready, unacked=seen.unacked or 0)
    least, found = (decide(replace(seen, ready=count), rule, history, NOW) for count in (ready, ready + more))
    assert (found.replicas >= least.replicas, found.wish >= least.wish) == (True, True)


@given(seen=sights, rule=rules, history=histories)
def test_who_is_called_comes_and_no_more_than_that(seen: Observation, rule: ConsumerPoolSpec, history: History) -> None:
    called = decide(replace(seen, woken=True), rule, history, NOW).replicas
    assert called >= 1
    assert called == max(decide(replace(seen, woken=False), rule, history, NOW).replicas, 1)


@given(rule=rules, first=sights, gaps=st.lists(st.floats(0.1, 1000), max_size=5))
def test_no_figures_no_scale_down_however_long(rule: ConsumerPoolSpec, first: Observation, gaps: list[float]) -> None:
    _, history = step(first, rule, History(), NOW)
    replicas, now = first.replicas, NOW
    for gap in gaps:
        now += gap
        decision, history = step(Observation(replicas), rule, history, now)
        assert decision.replicas >= replicas
        replicas = decision.replicas


def follow(looks: Sequence[tuple[float, Observation]], rule: ConsumerPoolSpec) -> list[Decision]:
    history, decisions = History(), []
    for at, seen in looks:
        decision, history = step(seen, rule, history, NOW + at)
        decisions.append(decision)
    return decisions


def test_an_outage_of_figures_starts_the_stabilization_anew() -> None:
    rule = spec(rest=60)
    looks = [(0, Observation(3, 0, 0)), (100, Observation(3)), (101, Observation(3, 0, 0)), (159, Observation(3, 0, 0))]
    assert [decision.replicas for decision in follow([*looks, (160, Observation(3, 0, 0))], rule)] == [3, 3, 3, 3, 0]


def test_a_hiccup_of_figures_is_no_outage() -> None:
    """Nor is it a time in which fewer were enough: half of the looks know nothing, and it takes twice as long."""
    looks = [(at, Observation(3, *(() if at % 10 else (0, 0)))) for at in range(0, 121, 5)]
    *held, last = follow(looks, spec(rest=60))
    assert {decision.replicas for decision in held} == {3}
    assert last.replicas == 0


def test_after_a_hiccup_fewer_have_to_be_enough_for_as_long_as_ever() -> None:
    looks = [(0, Observation(3, 12, 0)), *((at, Observation(3)) for at in (2, 4, 6, 8)), (10, Observation(3, 0, 0))]
    *held, last = follow([*looks, (12, Observation(3, 0, 0)), (15, Observation(3, 0, 0))], spec(per=4, rest=5))
    assert {decision.replicas for decision in held} == {3}
    assert last.replicas == 0


def test_a_scale_by_hand_is_a_recommendation_within_the_bounds() -> None:
    looks = [
        (0, Observation(1, 0, 0)),
        (2, Observation(50, 0, 0)),
        (4, Observation(10, 0, 0)),
        (62, Observation(10, 0, 0)),
    ]
    assert [decision.replicas for decision in follow(looks, spec(low=1))] == [1, 10, 10, 1]


def test_a_scale_by_hand_to_what_would_be_kept_if_it_were_there_is_one_as_well() -> None:
    looks = [(0, Observation(41, 40, 0)), *((at, Observation(42, 0, 0)) for at in (30, 89, 90))]
    assert [decision.replicas for decision in follow(looks, spec(high=50, per=1))] == [41, 42, 42, 0]


def test_the_reason_in_words_does_not_change_with_every_look() -> None:
    history = History(wishes=((NOW - 1, 3),))
    looks = {decide(Observation(3, 0, 0), spec(), history, NOW + second).message for second in range(50)}
    assert len(looks) == 1


def test_the_estimated_wait() -> None:
    rule, history = spec(concurrency=2), measured(1, 4, start=10)
    assert estimated_wait(Observation(4, 10, 8, 0, 8, 4), rule, history, 4) == pytest.approx(5.5)
    assert estimated_wait(Observation(0, 0, 0, 0, 0, 0), rule, history, 1) == 10
    assert estimated_wait(Observation(0, 0, 0, 0, 0, 0), rule, history, 0) is None
    assert estimated_wait(Observation(4, 10, 8), rule, History(), 4) is None
    assert math.isclose(history.capacity(2) or 0, 0.5)


@pytest.mark.parametrize(
    ("ready", "asked", "wanted", "wait"),
    [
        # One is up and does 0.5/s. Nine were asked for 4 s ago and come in 6 s: 3 are done by then, 18 have a slot.
        (20, 4, 10, 6),
        (30, 4, 10, 6 + 10 / 5),
        (0, 4, 10, 2),
        # Ten more are asked for now.
        (100, 4, 20, 6 + 4 + (101 - 3 - 18 - 20 - 20) / 10),
        # Those that should have come long ago are not counted on.
        (20, 31, 10, 42),
        # Some of them are told to go before they have come.
        (20, 4, 3, 6 + (21 - 3 - 4) / 1.5),
        (20, 4, 0, None),
    ],
)
def test_the_estimated_wait_counts_who_is_up_and_who_comes_when(
    ready: int, asked: float, wanted: int, wait: float | None
) -> None:
    history = replace(measured(1, 4, start=10), raises=((NOW - asked, 10),))
    found = estimated_wait(Observation(10, ready, 2, 0, 2, 1), spec(concurrency=2), history, wanted)
    assert found == pytest.approx(wait)


def test_who_comes_while_every_slot_is_taken_waits_until_one_is_free() -> None:
    rule, history = spec(high=1, concurrency=1), measured(1 / 70, 66)
    assert estimated_wait(Observation(1, 0, 1, 0, 1, 1), rule, history, 1) == pytest.approx(66)
    assert estimated_wait(Observation(1, 0, 0, 0, 0, 1), rule, history, 1) == 0
    leaver = Observation(1, 0, 1, 0, 1, 1, outgoing=1)
    assert estimated_wait(leaver, rule, history, 1) == 0, "what those that go work on takes no slot of those that stay"
    training = measured(0, 3600, start=10)
    assert estimated_wait(Observation(1, 0, 1, 0, 1, 1), spec(concurrency=1), training, 2) == 10


def test_without_a_rate_it_is_what_is_under_way_and_drains_what_waits() -> None:
    """A new process knows the speed from the status: a backlog that the target has room for is no emergency."""
    rule = spec(high=100, concurrency=1, wait=300)
    before, _ = step(Observation(11, 500, 10, 90, 10, 11), rule, measured(10, 1), NOW)
    after, _ = step(Observation(11, 500, 10, 90, 10, 11), rule, History.resumed(1.0), NOW)
    assert (before.replicas, after.replicas) == (11, 11)
    surge = Observation(10, 80, 10, 510, 10, 10)
    before, _ = step(surge, spec(high=100, concurrency=1), measured(10, 1, start=15), NOW)
    after, _ = step(surge, spec(high=100, concurrency=1), History.resumed(1.0), NOW)
    assert (before.replicas, after.replicas) == (22, 22)
    burst, _ = step(Observation(0, 100, 0), spec(high=100, concurrency=1, wait=60), History.resumed(0.5), NOW)
    assert burst.replicas == 1
    little, _ = step(Observation(2, 60, 0, 0, 0, 2), spec(low=2, concurrency=2), History.resumed(0.1), NOW)
    assert little.reason is Reason.BACKLOG, "what waits is no idleness"


def test_a_spare_that_no_replicas_have_room_for_is_refused() -> None:
    with pytest.raises(ValidationError, match="do not fit into maxReplicas"):
        ConsumerPoolSpec.model_validate(
            {"queue": "q", "scaleTargetRef": {"name": "d"}, "maxReplicas": 2, "concurrency": 2, "spareSlots": 5}
        )
