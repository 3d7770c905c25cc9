"""What there is to do about the broker's topology."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from warren.broker.plan import FoundQueue, Standing, Verdict, compare
from warren.pool import DEFAULT_POOLS, Pool
from warren.topology import (
    DEAD,
    DELAY_DUE,
    DELIVERY_LIMIT,
    EVENTS,
    FOREIGN_DELIVERY_LIMIT,
    TASKS,
    Binding,
    Policy,
    Queue,
    Topology,
    delay_exchange,
    topology,
)

WANTED = topology(DEFAULT_POOLS)
POLICY = WANTED.policies[0]


def stands(wanted: Topology = WANTED, **changes: object) -> Standing:
    """Return a broker on which all of it stands, but for the changes."""
    whole = Standing(
        exchanges={exchange.name: exchange.type for exchange in wanted.exchanges},
        queues={queue.name: FoundQueue(queue.arguments) for queue in wanted.queues},
        bindings=frozenset(wanted.bindings),
        policies={policy.name: policy for policy in wanted.policies},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def with_queue(name: str, messages: int = 0, **arguments: object) -> Standing:
    """Return such a broker with one queue more, or another one under the name."""
    queues = dict(stands().queues)
    before = dict(queues[name].arguments) if name in queues else {}
    queues[name] = FoundQueue(
        {**before, **{key.replace("_", "-"): value for key, value in arguments.items()}}, messages
    )
    return stands(queues=queues)


def test_what_stands_needs_nothing() -> None:
    plan = compare(WANTED, stands())
    assert plan.complete
    assert {step.verdict for step in plan.steps} == {Verdict.OK}
    assert not plan.notes


def test_on_an_empty_broker_everything_is_made_and_what_binds_comes_after_what_is_bound() -> None:
    plan = compare(WANTED, Standing())
    assert plan.to_do == list(plan.steps)
    kinds = [step.kind for step in plan.steps]
    assert kinds == sorted(kinds, key=["exchange", "queue", "binding", "policy"].index)
    assert len(kinds) == len((*WANTED.exchanges, *WANTED.queues, *WANTED.bindings, *WANTED.policies))


def test_a_pool_that_comes_later_is_bound_to_the_ladder() -> None:
    later = topology([*DEFAULT_POOLS, Pool(name="gpu")])
    plan = compare(later, stands())
    assert {step.name for step in plan.to_do} == {
        "warren.tasks.gpu",
        "warren.dead.gpu",
        "warren.delay.due.gpu",
        "warren.tasks -> warren.tasks.gpu [gpu]",
        "warren.dead -> warren.dead.gpu [gpu]",
        "warren.delay.due -> warren.delay.due.gpu [#.gpu]",
    }
    assert not plan.conflicts


@pytest.mark.parametrize(
    ("old", "detail"),
    [
        (replace(POLICY, definition={"delivery-limit": 20}), f"delivery-limit 20 -> {DELIVERY_LIMIT}"),
        (replace(POLICY, definition={**POLICY.definition, "max-length": 5}), "max-length 5 -> absent"),
        (replace(POLICY, definition={}), f"delivery-limit absent -> {DELIVERY_LIMIT}"),
        (replace(POLICY, pattern="^x$"), f"pattern ^x$ -> {POLICY.pattern}"),
        (replace(POLICY, priority=7), "priority 7 -> 0"),
        (replace(POLICY, apply_to="all"), "apply_to all -> queues"),
    ],
)
def test_a_policy_that_differs_is_changed_and_both_values_are_said(old: Policy, detail: str) -> None:
    (step,) = compare(WANTED, stands(policies={**stands().policies, POLICY.name: old})).to_do
    assert (step.verdict, step.thing, step.detail) == (Verdict.DIFFERS, POLICY, detail)


def test_a_pool_of_foreign_workers_has_a_lower_limit_for_as_long_as_it_is_one() -> None:
    foreign = topology([*DEFAULT_POOLS, Pool(name="stone", foreign=True)])
    found = {queue.name: foreign.policy_of(queue.name) for queue in foreign.queues}
    limits = {name: policy.definition["delivery-limit"] for name, policy in found.items() if policy}
    assert limits.keys() == found.keys()
    assert {name for name, limit in limits.items() if limit != DELIVERY_LIMIT} == {"warren.tasks.stone"}
    assert limits["warren.tasks.stone"] == FOREIGN_DELIVERY_LIMIT
    own = topology([*DEFAULT_POOLS, Pool(name="stone")])
    (step,) = compare(own, stands(foreign)).to_do
    assert (step.verdict, step.name) == (Verdict.DIFFERS, "warren-foreign")
    assert own.policy_of("warren.tasks.stone") == POLICY


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ({"x_overflow": "drop-head"}, "x-overflow is drop-head, wanted is reject-publish"),
        ({"x_queue_type": "classic"}, "x-queue-type is classic, wanted is quorum"),
        ({"x_max_length": 10}, "x-max-length is 10, wanted is absent"),
    ],
)
def test_an_argument_of_a_queue_is_a_conflict(arguments: dict[str, Any], detail: str) -> None:
    plan = compare(WANTED, with_queue("warren.tasks.cpu", **arguments))
    (step,) = plan.conflicts
    assert detail in step.detail
    assert step.advice[-2:] == ("rabbitmqctl delete_queue warren.tasks.cpu", "warren topology apply")
    assert not plan.to_do
    assert not plan.complete


def test_an_argument_that_is_wanted_and_absent_is_a_conflict() -> None:
    bare = {**stands().queues, "warren.tasks.train-cpu": FoundQueue({"x-queue-type": "quorum"})}
    (step,) = compare(WANTED, stands(queues=bare)).conflicts
    assert "x-consumer-timeout is absent" in step.detail


@pytest.mark.parametrize(
    ("queue", "messages", "advice"),
    [
        ("warren.tasks.cpu", 3, "warren pools move cpu OTHER"),
        ("warren.dead.cpu", 3, "the system pool drains it"),
        ("warren.results", 3, "the system pool drains it"),
        ("warren.delay.7", 3, "goes on by itself"),
        ("warren.delay.due.cpu", 3, "goes on by itself"),
    ],
)
def test_what_a_queue_in_conflict_holds_is_saved_first(queue: str, messages: int, advice: str) -> None:
    (step,) = compare(WANTED, with_queue(queue, messages, x_max_length=10)).conflicts
    assert any(advice in line for line in step.advice)
    (step,) = compare(WANTED, with_queue(queue, 0, x_max_length=10)).conflicts
    assert not any(advice in line for line in step.advice)


def test_an_exchange_of_another_type_is_a_conflict() -> None:
    (step,) = compare(WANTED, stands(exchanges={**stands().exchanges, TASKS: "topic"})).conflicts
    assert (step.name, step.detail) == (TASKS, "it is of type topic, wanted is direct")
    assert step.advice


def test_a_missing_binding_is_made() -> None:
    gone = WANTED.bindings[0]
    (step,) = compare(WANTED, stands(bindings=frozenset(WANTED.bindings) - {gone})).to_do
    assert (step.verdict, step.thing) == (Verdict.MISSING, gone)


@pytest.mark.parametrize(
    ("surplus", "verdict"),
    [
        (Binding(delay_exchange(5), delay_exchange(5), "*.*.1.#"), Verdict.MISROUTES),
        (Binding(delay_exchange(40), delay_exchange(39), "#", to_exchange=True), Verdict.MISROUTES),
        (Binding(TASKS, "tapped", "cpu"), Verdict.SURPLUS),
        (Binding(DELAY_DUE, "warren.tasks.cpu", "#.cpu"), Verdict.MISROUTES),
        (Binding(DELAY_DUE, "tapped", "#"), Verdict.SURPLUS),
        (Binding(EVENTS, "warren.listen.somebody", "task.#"), None),
        (Binding("", "warren.tasks.cpu", "warren.tasks.cpu"), None),
        (Binding("another", "of-another", "key"), None),
    ],
)
def test_bindings_that_nobody_wants(surplus: Binding, verdict: Verdict | None) -> None:
    plan = compare(WANTED, stands(bindings=frozenset(WANTED.bindings) | {surplus}))
    assert [(step.verdict, step.thing) for step in plan.steps if step.verdict is not Verdict.OK] == (
        [(verdict, surplus)] if verdict else []
    )


def test_a_queue_whose_pool_is_gone_is_kept_with_its_bindings_and_reported() -> None:
    plan = compare(topology([Pool(name="gpu"), *DEFAULT_POOLS[1:]]), stands_with_messages("warren.tasks.cpu", 4))
    assert [(step.name, step.verdict) for step in plan.notes] == [
        ("warren.dead.cpu", Verdict.ORPHANED),
        ("warren.delay.due.cpu", Verdict.ORPHANED),
        ("warren.tasks.cpu", Verdict.ORPHANED),
    ]
    assert "messages: 4" in plan.notes[2].detail
    assert plan.notes[2].advice[0] == "warren pools move cpu NEW"
    assert "delete_queue" in plan.notes[0].advice[0]


def test_a_pool_that_was_gone_before_its_due_queue_came_keeps_its_way() -> None:
    former = Binding(DELAY_DUE, "warren.tasks.gone", "#.gone")
    found = with_queue("warren.tasks.gone")
    plan = compare(WANTED, replace(found, bindings=frozenset(WANTED.bindings) | {former}))
    assert former not in [step.thing for step in plan.steps]


def test_what_is_due_in_an_orphaned_pool_goes_on_to_its_queue() -> None:
    (step,) = compare(WANTED, with_queue("warren.delay.due.gone", 2)).notes
    assert step.advice[0].startswith("keep warren.tasks.gone and empty it")
    assert "the longest delay that was asked for it has passed" in step.advice[-1]


def stands_with_messages(queue: str, messages: int) -> Standing:
    """Return such a broker with messages in one queue."""
    queues = dict(stands().queues)
    queues[queue] = replace(queues[queue], messages=messages)
    return stands(queues=queues)


def test_an_orphaned_dead_letter_queue_is_drained_by_the_system_pool() -> None:
    (step,) = compare(WANTED, with_queue("warren.dead.gone", 2)).notes
    assert step.thing == Queue("warren.dead.gone", {})
    assert "WARREN_POOLS" in step.advice[0]
    assert DEAD in step.advice[1]
