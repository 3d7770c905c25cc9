from __future__ import annotations

from itertools import pairwise

import pytest

from tests.soak import plan
from tests.soak.plan import Fault, Kind


def test_the_same_seed_is_the_same_plan_and_another_is_another() -> None:
    assert plan.at_random(7, 300) == plan.at_random(7, 300)
    assert plan.at_random(7, 300) != plan.at_random(8, 300)
    assert plan.one_by_one(7) == plan.one_by_one(7)


def test_a_longer_soak_begins_as_the_shorter_one() -> None:
    short = plan.at_random(7, 100)
    assert plan.at_random(7, 400)[: len(short)] == short


def test_every_fault_comes_before_any_comes_again() -> None:
    events = plan.at_random(7, 3600)
    whole = len(Fault)
    assert {event.fault for event in events[:whole]} == set(Fault)
    assert {event.fault for event in events[whole : 2 * whole]} == set(Fault)


def test_faults_begin_within_the_time_and_not_before_the_one_ahead_is_over() -> None:
    events = plan.at_random(7, 600)
    assert all(event.at < 600 for event in events)
    assert all(later.at >= event.at + event.lasts - 0.002 for event, later in pairwise(events))


@pytest.mark.parametrize("fault", Fault)
def test_only_the_faults_that_were_asked_for(fault: Fault) -> None:
    assert {event.fault for event in plan.at_random(7, 200, [fault])} == {fault}
    assert [(event.fault, event.alone) for event in plan.one_by_one(7, [fault])] == [(fault, True)]


def test_frozen_consumers_outlast_their_leases() -> None:
    events = plan.at_random(7, 3600, [Fault.CONSUMER_FROZEN])
    assert min(event.lasts for event in events) > plan.LEASE_SECONDS


def test_tasks_follow_from_seed_and_number_and_none_kills_unasked() -> None:
    jobs = [plan.job(7, number) for number in range(1000)]
    assert jobs == [plan.job(7, number) for number in range(1000)]
    assert {job.kind for job in jobs} == set(Kind) - {Kind.KILLS}
    assert 20 < sum(job.twice for job in jobs) < 100
