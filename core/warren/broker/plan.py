"""What there is to do about the broker's topology: what is wanted beside what stands. A pure decision.

Queue arguments and exchange types can never change, and nothing that may hold messages is ever deleted: what stands
otherwise is a conflict, and the plan says which steps a person takes.

Forbidden here: I/O, clocks, imports of adapters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from warren.topology import DEAD, DELAY_DUE, EVENTS, TASKS, Binding, Exchange, Policy, Queue, Topology

_LADDER: Final = re.compile(r"warren\.delay\.\d+")
_PASSED_BY: Final = "warren.delay."
"""What the queues' names begin with from which messages go on by themselves."""
_ABSENT: Final = "absent"


class Verdict(StrEnum):
    """How one thing stands."""

    OK = "ok"
    MISSING = "missing"
    """It is created."""
    DIFFERS = "differs"
    """It is changed to what is wanted."""
    MISROUTES = "misroutes"
    """A binding of a former version that sends messages astray; it is removed."""
    SURPLUS = "surplus"
    """Nobody wants it; it stays."""
    ORPHANED = "orphaned"
    """A queue whose pool is gone; it stays."""
    CONFLICT = "conflict"
    """It stands in a way that cannot be changed; a person decides."""


@dataclass(frozen=True, slots=True)
class FoundQueue:
    """A queue that stands."""

    arguments: Mapping[str, Any]
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands on the broker, as far as it is Warren's."""

    exchanges: Mapping[str, str] = field(default_factory=dict)
    """The types, by name."""
    queues: Mapping[str, FoundQueue] = field(default_factory=dict)
    bindings: frozenset[Binding] = frozenset()
    policies: Mapping[str, Policy] = field(default_factory=dict)


Thing = Exchange | Queue | Binding | Policy


@dataclass(frozen=True, slots=True)
class Step:
    """One thing, how it stands, and what to do about it."""

    verdict: Verdict
    thing: Thing
    detail: str = ""
    advice: tuple[str, ...] = ()
    """What a person does, one command or step each."""

    @property
    def kind(self) -> str:
        """The sort of thing, as a word."""
        return type(self.thing).__name__.lower()

    @property
    def name(self) -> str:
        """The thing's name; a binding's is its way."""
        thing = self.thing
        if isinstance(thing, Binding):
            return f"{thing.source} -> {thing.destination} [{thing.routing_key}]"
        return thing.name

    def __str__(self) -> str:
        """Return one line, without the advice."""
        return f"{self.verdict} {self.kind} {self.name}" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """Every thing with its verdict, in an order in which they can be carried out."""

    steps: tuple[Step, ...]

    def of(self, *verdicts: Verdict) -> list[Step]:
        """Return the steps of these verdicts."""
        return [step for step in self.steps if step.verdict in verdicts]

    @property
    def to_do(self) -> list[Step]:
        """What `warren topology apply` does."""
        return self.of(Verdict.MISSING, Verdict.DIFFERS, Verdict.MISROUTES)

    @property
    def conflicts(self) -> list[Step]:
        """What it cannot do."""
        return self.of(Verdict.CONFLICT)

    @property
    def notes(self) -> list[Step]:
        """What it leaves alone, and says so."""
        return self.of(Verdict.SURPLUS, Verdict.ORPHANED)

    @property
    def complete(self) -> bool:
        """Whether all that is wanted stands as it should."""
        return not self.to_do and not self.conflicts


def compare(wanted: Topology, found: Standing) -> Plan:
    """Return what there is to do so that `wanted` stands."""
    return Plan((
        *(_exchange(exchange, found) for exchange in wanted.exchanges),
        *(_queue(queue, found) for queue in wanted.queues),
        *(_binding(binding, found) for binding in wanted.bindings),
        *(_policy(policy, found) for policy in wanted.policies),
        *_left_over_bindings(wanted, found),
        *_orphans(wanted, found),
    ))  # fmt: skip


def _exchange(exchange: Exchange, found: Standing) -> Step:
    stands = found.exchanges.get(exchange.name)
    if stands is None:
        return Step(Verdict.MISSING, exchange)
    if stands == exchange.type:
        return Step(Verdict.OK, exchange)
    advice = (
        f"delete the exchange {exchange.name} on RabbitMQ's management page (it holds no message, only bindings)",
        "warren topology apply, at once: until then what is published to it is refused",
    )
    return Step(Verdict.CONFLICT, exchange, f"it is of type {stands}, wanted is {exchange.type}", advice)


def _queue(queue: Queue, found: Standing) -> Step:
    stands = found.queues.get(queue.name)
    if stands is None:
        return Step(Verdict.MISSING, queue)
    differences = [
        f"{name} is {stands.arguments.get(name, _ABSENT)}, wanted is {queue.arguments.get(name, _ABSENT)}"
        for name in sorted({*queue.arguments, *stands.arguments})
        if queue.arguments.get(name, _ABSENT) != stands.arguments.get(name, _ABSENT)
    ]
    if not differences:
        return Step(Verdict.OK, queue)
    detail = f"{'; '.join(differences)}; arguments of a queue cannot change, and it holds messages: {stands.messages}"
    return Step(Verdict.CONFLICT, queue, detail, tuple(_replacement(queue.name, stands.messages)))


def _replacement(queue: str, messages: int) -> Iterator[str]:
    yield "stop what publishes to it: messages that come between the next steps would be lost"
    if messages and queue.startswith(f"{TASKS}."):
        yield f"warren pools move {queue.removeprefix(f'{TASKS}.')} OTHER, where OTHER is a pool of the same kind"
    elif messages and queue.startswith(_PASSED_BY):
        yield "wait until it is empty: what it holds goes on by itself when its time has come"
    elif messages:
        yield "wait until it is empty: the system pool drains it"
    yield f"rabbitmqctl delete_queue {queue}"
    yield "warren topology apply"


def _binding(binding: Binding, found: Standing) -> Step:
    return Step(Verdict.OK if binding in found.bindings else Verdict.MISSING, binding)


def _policy(policy: Policy, found: Standing) -> Step:
    stands = found.policies.get(policy.name)
    if stands is None:
        return Step(Verdict.MISSING, policy)
    if stands == policy:
        return Step(Verdict.OK, policy)
    return Step(Verdict.DIFFERS, policy, "; ".join(_changes(stands, policy)))


def _changes(old: Policy, new: Policy) -> Iterator[str]:
    for name in ("pattern", "apply_to", "priority"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} {getattr(old, name)} -> {getattr(new, name)}"
    for key in sorted({*old.definition, *new.definition}):
        before, after = (policy.definition.get(key, _ABSENT) for policy in (old, new))
        if before != after:
            yield f"{key} {before} -> {after}"


def _left_over_bindings(wanted: Topology, found: Standing) -> Iterator[Step]:
    """Look at the bindings that nobody wants; an orphaned pool's stay without a word, and listeners' are their own."""
    ours = {exchange.name for exchange in wanted.exchanges} - {EVENTS}
    former = {_past_due(pool) for pool in _pools(queue.name for queue in wanted.queues)}
    for binding in sorted(found.bindings - {*wanted.bindings}, key=lambda binding: (binding.source, str(binding))):
        if _LADDER.fullmatch(binding.source):
            detail = "a former version's; it would send delayed messages astray"
            yield Step(Verdict.MISROUTES, binding, detail)
        elif binding in former:
            detail = "a former version's; once that queue is full, it would stop all pools' delays"
            yield Step(Verdict.MISROUTES, binding, detail)
        elif binding.source in ours and binding not in _own_bindings(found.queues):
            yield Step(Verdict.SURPLUS, binding, "nobody wants it; it copies or moves messages")


def _own_bindings(queues: Iterable[str]) -> set[Binding]:
    """Return those bindings by which a pool that is gone still gets what is under way to it."""
    return {
        binding
        for pool in _pools(queues)
        for binding in (
            Binding(TASKS, f"{TASKS}.{pool}", pool),
            Binding(DEAD, f"{DEAD}.{pool}", pool),
            Binding(DELAY_DUE, f"{DELAY_DUE}.{pool}", f"#.{pool}"),
            _past_due(pool),
        )
    }


def _pools(queues: Iterable[str]) -> Iterator[str]:
    """Name the pools whose queues are among these."""
    return (queue.removeprefix(f"{TASKS}.") for queue in queues if queue.startswith(f"{TASKS}."))


def _past_due(pool: str) -> Binding:
    """Return the binding by which a former version brought delayed tasks to the pool's queue."""
    return Binding(DELAY_DUE, f"{TASKS}.{pool}", f"#.{pool}")


def _orphans(wanted: Topology, found: Standing) -> Iterator[Step]:
    known = {queue.name for queue in wanted.queues}
    for name, queue in sorted(found.queues.items()):
        if name not in known and name.startswith((f"{TASKS}.", f"{DEAD}.", f"{DELAY_DUE}.")):
            detail = f"its pool is not in WARREN_POOLS, and it holds messages: {queue.messages}"
            yield Step(Verdict.ORPHANED, Queue(name, queue.arguments), detail, tuple(_farewell(name, queue.messages)))


def _farewell(queue: str, messages: int) -> Iterator[str]:
    if messages and queue.startswith(f"{TASKS}."):
        yield f"warren pools move {queue.removeprefix(f'{TASKS}.')} NEW"
    elif messages and queue.startswith(_PASSED_BY):
        yield f"keep {queue.replace(DELAY_DUE, TASKS, 1)} and empty it: what this one holds goes on to it by itself"
    elif messages:
        yield "name its pool in the system pool's WARREN_POOLS until it is empty"
    yield f"rabbitmqctl delete_queue {queue}, once it is empty and nobody names the pool any more{_patience(queue)}"


def _patience(queue: str) -> str:
    """Say what else has to be waited for: what is on the ladder yet would find no way to the pool."""
    if not queue.startswith(_PASSED_BY):
        return ""
    return ", and the longest delay that was asked for it has passed (30 days at most)"
