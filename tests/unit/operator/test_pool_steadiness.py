"""A steady load is no reason to scale up and down: rehearsed with the decision of production and figures as late."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from warren.resources import ConsumerPoolSpec
from warren_operator.rehearsal.generation import Recipe, Shape, generate
from warren_operator.rehearsal.rehearsal import Outcome, rehearse

START_SECONDS = 10.0
WARM_UP_SECONDS = 300
SECONDS = 900
REST_SECONDS = 60
targets = st.one_of(
    st.builds(lambda wait: {"waitSeconds": wait}, st.sampled_from([1, 5, 30])),
    st.builds(lambda per: {"tasksPerReplica": per}, st.integers(1, 20)),
)
recipes = st.builds(
    lambda seed, rate, service: Recipe(Shape.STEADY, seed, rate, SECONDS, service),
    st.integers(0, 10_000),
    st.floats(0.2, 10),
    st.sampled_from([0.05, 0.2, 1, 5]),
)


def replay(recipe: Recipe, concurrency: int, target: dict[str, Any]) -> Outcome:
    spec = {
        "queue": "warren.tasks.cpu",
        "scaleTargetRef": {"name": "consumer"},
        "maxReplicas": 200,
        "concurrency": concurrency,
        "target": target,
        "scaleDown": {"stabilizationSeconds": REST_SECONDS},
    }
    return rehearse(generate(recipe), ConsumerPoolSpec.model_validate(spec), START_SECONDS)


def rests(outcome: Outcome) -> list[float]:
    """Return for how long each rise lasted before anything went."""
    found, risen = [], None
    for (_, before), (at, after) in pairwise(outcome.curve):
        if after > before:
            risen = at
        elif risen is not None:
            found.append(at - risen)
            risen = None
    return found


@settings(max_examples=6, deadline=None)
@given(recipe=recipes, concurrency=st.integers(1, 8), target=targets)
def test_what_rose_stays_for_the_stabilization_time(recipe: Recipe, concurrency: int, target: dict[str, Any]) -> None:
    assert all(rest >= REST_SECONDS for rest in rests(replay(recipe, concurrency, target)))


@settings(max_examples=6, deadline=None)
@given(recipe=recipes, concurrency=st.integers(1, 8), wait=st.sampled_from([1, 5, 30]))
def test_poisson_arrivals_are_met_with_two_changes_a_minute_at_most(
    recipe: Recipe, concurrency: int, wait: int
) -> None:
    curve = replay(recipe, concurrency, {"waitSeconds": wait}).curve
    changes = sum(WARM_UP_SECONDS <= at <= SECONDS for at, _ in curve)
    assert changes <= 2 * (SECONDS - WARM_UP_SECONDS) / 60
