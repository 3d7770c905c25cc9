"""The scaling rule: its table of cases, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.resources import ConsumerPoolSpec
from warren_operator.pool.scaling import History, Observation, Reason, decide

NOW = 1_000_000.0


def spec(
    low: int = 0,
    high: int = 10,
    per: int | None = None,
    concurrency: int = 4,
    rest: int = 60,
) -> ConsumerPoolSpec:
    target = {"tasksPerReplica": per} if per else {"waitSeconds": 5}
    return ConsumerPoolSpec.model_validate(
        {
            "queue": "q",
            "scaleTargetRef": {"name": "d"},
            "minReplicas": low,
            "maxReplicas": high,
            "concurrency": concurrency,
            "target": target,
            "scaleDown": {"stabilizationSeconds": rest},
        }
    )


@pytest.mark.parametrize(
    ("seen", "rule", "idle_for", "replicas", "reason"),
    [
        # from zero, at once
        (Observation(0, 1, 0), spec(), None, 1, Reason.BACKLOG),
        (Observation(0, 4, 0), spec(), None, 1, Reason.BACKLOG),
        (Observation(0, 5, 0), spec(), None, 2, Reason.BACKLOG),
        (Observation(0, 0, 0), spec(), 1000, 0, Reason.IDLE),
        # what is under way counts
        (Observation(1, 1, 4), spec(), None, 2, Reason.BACKLOG),
        (Observation(0, 0, 1), spec(), None, 1, Reason.BACKLOG),
        # the two targets
        (Observation(0, 41, 0), spec(per=20), None, 3, Reason.BACKLOG),
        (Observation(0, 41, 0), spec(per=20, concurrency=1), None, 3, Reason.BACKLOG),
        # bounds
        (Observation(0, 1000, 0), spec(), None, 10, Reason.AT_MAXIMUM),
        (Observation(10, 1000, 0), spec(), None, 10, Reason.AT_MAXIMUM),
        (Observation(10, 40, 0), spec(), None, 10, Reason.BACKLOG),
        (Observation(0, 0, 0), spec(low=2), 0, 2, Reason.IDLE),
        (Observation(1, None, None), spec(low=2), None, 2, Reason.METRICS_UNKNOWN),
        # down only when there is no work for long enough
        (Observation(5, 0, 1), spec(), None, 5, Reason.BUSY),
        (Observation(5, 1, 0), spec(), None, 5, Reason.BUSY),
        (Observation(5, 0, 0), spec(), 0, 5, Reason.STABILIZING),
        (Observation(5, 0, 0), spec(), 59, 5, Reason.STABILIZING),
        (Observation(5, 0, 0), spec(), 60, 0, Reason.IDLE),
        (Observation(5, 0, 0), spec(low=1), 60, 1, Reason.IDLE),
        (Observation(5, 0, 0), spec(rest=0), 0, 0, Reason.IDLE),
        # unknown is not zero
        (Observation(5, None, None), spec(), None, 5, Reason.METRICS_UNKNOWN),
        (Observation(5, 0, None), spec(), None, 5, Reason.METRICS_UNKNOWN),
        (Observation(0, None, None), spec(), None, 0, Reason.METRICS_UNKNOWN),
        # somebody scaled by hand
        (Observation(50, 0, 0), spec(), 10, 10, Reason.ABOVE_MAXIMUM),
        (Observation(50, 3, 0), spec(), None, 10, Reason.ABOVE_MAXIMUM),
        (Observation(50, 0, 3), spec(), None, 50, Reason.BUSY),
        (Observation(50, 0, 0), spec(), 60, 0, Reason.IDLE),
    ],
)
def test_the_table(
    seen: Observation,
    rule: ConsumerPoolSpec,
    idle_for: float | None,
    replicas: int,
    reason: Reason,
) -> None:
    history = History(NOW - idle_for if idle_for is not None else None)
    decision = decide(seen, rule, history, NOW)
    assert (decision.replicas, decision.reason) == (replicas, reason)
    assert decision.message


counts = st.one_of(st.none(), st.integers(0, 10_000))


@given(
    replicas=st.integers(0, 100),
    ready=counts,
    unacked=counts,
    low=st.integers(0, 5),
    more=st.integers(1, 50),
    idle=st.one_of(st.none(), st.floats(0, 1000)),
)
def test_what_holds_whatever_is_seen(
    replicas: int,
    ready: int | None,
    unacked: int | None,
    low: int,
    more: int,
    idle: float | None,
) -> None:
    rule = spec(low=low, high=low + more)
    seen = Observation(replicas, ready, unacked)
    history = History(NOW - idle if idle is not None and seen.work == 0 else None)
    decision = decide(seen, rule, history, NOW)
    assert decision.replicas >= low
    assert decision.replicas <= max(replicas, rule.max_replicas)
    if decision.replicas < replicas:
        assert seen.unacked == 0, "nothing under way is ever killed"
        assert seen.work is not None, "unknown is not zero"
    assert decision == decide(seen, rule, history, NOW)


def test_history_remembers_since_when_there_was_no_work() -> None:
    history = History().after(Observation(1, 0, 0), 10.0)
    assert history.after(Observation(1, 0, 0), 20.0).idle_since == 10.0
    assert history.after(Observation(1, 0, 1), 20.0).idle_since is None
    assert history.after(Observation(1, None, None), 20.0).idle_since is None


def test_the_reason_in_words_does_not_change_with_every_look() -> None:
    history = History(NOW - 1)
    looks = {decide(Observation(3, 0, 0), spec(), history, NOW + second).message for second in range(50)}
    assert len(looks) == 1
