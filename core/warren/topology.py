"""The broker's topology as frozen data: every exchange, queue, binding, policy and user that Warren uses.

`warren topology apply` is the one owner that creates it; everyone else declares passively. Queue arguments are frozen;
what may be tuned later is a policy.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from warren.pool import Pool, PoolKind

TASKS: Final = "warren.tasks"
DEAD: Final = "warren.dead"
EVENTS: Final = "warren.events"
RESULTS: Final = "warren.results"
DELAY_DUE: Final = "warren.delay.due"
ASTRAY: Final = f"{DEAD}.delay.due"
"""What the ladder has no way for: its pool is not there, or its routing key is none. No pool's name has a dot."""

_OURS: Final = "warren."
REPLY_PREFIX: Final = "warren.reply."
LISTEN_PREFIX: Final = "warren.listen."

MOST_EVENTS: Final = 10_000
"""How many events the broker keeps for a listener that falls behind; the oldest go first."""

DELAY_STEP_MS: Final = 500
"""How long the lowest level of the delay ladder holds a message: delays are rounded up to multiples of it."""

DELAY_LEVELS: Final = 23
"""Level n holds messages for 2^n steps; 23 levels reach 48 days, past the 30 that a delay may last."""

TRAIN_CONSUMER_TIMEOUT_MS: Final = 35 * 24 * 3600 * 1000
"""Longer than any task's own deadline, which must always come first."""

DELIVERY_LIMIT: Final = 1000
"""A net only: before RabbitMQ 4.3 every return of a message counts."""

FOREIGN_DELIVERY_LIMIT: Final = 20
"""For pools whose workers are not Warren's: that a message kills them is seen by nothing else."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: Literal["direct", "topic"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue; its arguments can never change."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """A route from an exchange to a queue, or to another exchange."""

    source: str
    destination: str
    routing_key: str
    to_exchange: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Tunables of the queues, or exchanges, whose name matches."""

    name: str
    pattern: str
    definition: Mapping[str, Any]
    apply_to: str = "queues"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class User:
    """A component's account and what it may do, as regular expressions (RabbitMQ's configure, write, read)."""

    name: str
    configure: str
    write: str
    read: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """All that must stand before a task can be published."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    policies: tuple[Policy, ...]

    def policy_of(self, queue: str) -> Policy | None:
        """Return the policy that is to be in force for a queue: of those that match, that of the highest priority."""
        matching = [
            policy for policy in self.policies if policy.apply_to == "queues" and re.search(policy.pattern, queue)
        ]
        return max(matching, key=lambda policy: policy.priority, default=None)


def topology(pools: Iterable[Pool]) -> Topology:
    """Return the topology for these pools."""
    pools = tuple(pools)
    levels = range(DELAY_LEVELS)
    return Topology(
        exchanges=(
            Exchange(TASKS, "direct"),
            Exchange(DEAD, "direct"),
            Exchange(EVENTS, "topic"),
            Exchange(RESULTS, "direct"),
            Exchange(DELAY_DUE, "topic"),
            Exchange(ASTRAY, "topic"),
            *(Exchange(delay_exchange(level), "topic") for level in levels),
        ),
        queues=(
            *(_task_queue(pool) for pool in pools),
            *(Queue(pool.dead_letter_queue, {"x-queue-type": "quorum"}) for pool in pools),
            Queue(ASTRAY, {"x-queue-type": "quorum"}),
            Queue(RESULTS, {"x-queue-type": "quorum"}),
            *(_delay_queue(level) for level in levels),
            *(_due_queue(pool) for pool in pools),
        ),
        bindings=(
            *(Binding(TASKS, pool.queue, pool.name) for pool in pools),
            *(Binding(DEAD, pool.dead_letter_queue, pool.name) for pool in pools),
            *(Binding(DELAY_DUE, pool.due_queue, f"#.{pool.name}") for pool in pools),
            Binding(ASTRAY, ASTRAY, "#"),
            Binding(RESULTS, RESULTS, RESULTS),
            *(binding for level in levels for binding in _delay_bindings(level)),
        ),
        policies=(
            # RabbitMQ 4's own limit is 20, and what a queue without a dead-letter exchange gives up on is gone.
            Policy("warren-tasks", r"^warren\.((tasks|delay|dead)\.|results$)", {"delivery-limit": DELIVERY_LIMIT}),
            # It stands also where it is of no pool: what is no longer foreign is no longer under it.
            Policy("warren-foreign", _foreign(pools), {"delivery-limit": FOREIGN_DELIVERY_LIMIT}, priority=1),
            # A message without a way stays in the ladder, and a few hundred of them would keep back everybody's.
            Policy("warren-astray", r"^warren\.delay\.", {"alternate-exchange": ASTRAY}, apply_to="exchanges"),
        ),
    )


def takes_replies(queue: str) -> bool:
    """Tell whether replies may go to a queue: Warren's own would take one for a task, whose end has a reply, too."""
    return queue.startswith(REPLY_PREFIX) or not queue.startswith(_OURS)


def delay_exchange(level: int) -> str:
    """Return the exchange that decides whether a message waits at the level (and the queue's name there)."""
    return f"warren.delay.{level}"


def delay_route(seconds: float, pool: str) -> tuple[str, str]:
    """Return the exchange and routing key that bring a message to the pool after the delay.

    The delay is rounded up to whole steps, one at least. Its binary digits are the words of the key: a message waits
    2^n steps at each level n whose digit is 1, and skips the others (the pattern of NServiceBus' delayed delivery).
    """
    steps = min(max(1, math.ceil(seconds * 1000 / DELAY_STEP_MS)), 2**DELAY_LEVELS - 1)
    digits = [str(steps >> level & 1) for level in reversed(range(DELAY_LEVELS))]
    return delay_exchange(steps.bit_length() - 1), ".".join([*digits, pool])


def _foreign(pools: Iterable[Pool]) -> str:
    """Return what matches the queues of foreign pools, and no queue where there are none."""
    return rf"^warren\.tasks\.({'|'.join(sorted(pool.name for pool in pools if pool.foreign))})$"


def _task_queue(pool: Pool) -> Queue:
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": DEAD,
        "x-dead-letter-routing-key": pool.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    if pool.kind is PoolKind.TRAIN:
        arguments["x-consumer-timeout"] = TRAIN_CONSUMER_TIMEOUT_MS
    return Queue(pool.queue, arguments)


def _delay_queue(level: int) -> Queue:
    return Queue(
        delay_exchange(level),
        {
            "x-queue-type": "quorum",
            "x-message-ttl": 2**level * DELAY_STEP_MS,
            "x-dead-letter-exchange": _below(level),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def _due_queue(pool: Pool) -> Queue:
    """Return the queue that brings to the pool's queue at once what has left the ladder.

    A queue has few messages on their way to the next one (32 by RabbitMQ's default), and what a full queue refused it
    offers again after three minutes. So a full pool keeps back its own delayed tasks. If the ladder's levels themselves
    handed on to the pools, it would keep back everybody's.
    """
    return Queue(
        pool.due_queue,
        {
            "x-queue-type": "quorum",
            "x-message-ttl": 0,
            "x-dead-letter-exchange": TASKS,
            "x-dead-letter-routing-key": pool.name,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def _below(level: int) -> str:
    return delay_exchange(level - 1) if level else DELAY_DUE


def _delay_bindings(level: int) -> tuple[Binding, Binding]:
    before = ["*"] * (DELAY_LEVELS - 1 - level)
    waits, skips = (".".join([*before, digit, "#"]) for digit in "10")
    return (
        Binding(delay_exchange(level), delay_exchange(level), waits),
        Binding(delay_exchange(level), _below(level), skips, to_exchange=True),
    )


def users(vhost_exchange_default: str = "amq\\.default") -> tuple[User, ...]:
    """Return the accounts of the components, each with the least it needs.

    Publishing a reply goes through the default exchange, whose name in permissions is `amq.default`.
    """
    own = f"^{re.escape(REPLY_PREFIX)}.*$|^{re.escape(LISTEN_PREFIX)}.*$"
    tasks, delays = "warren\\.tasks", "warren\\.delay\\..*"
    events, replies = "warren\\.events", vhost_exchange_default
    return (
        User("warren-topology", r"^warren\..*$", r"^warren\..*$", r"^warren\..*$", ("policymaker",)),
        # RabbitMQ 4.3 tells a queue's depth only to an account with some right to it; writing is the least.
        User("warren-producer", own, f"^({tasks}(\\..*)?|{delays}|{events})$|{own}", f"{own}|^{events}$"),
        # A function that it runs may submit others, and wait for them.
        User(
            "warren-consumer",
            own,
            f"^({tasks}|{delays}|{events}|{replies})$|{own}",
            rf"^warren\.tasks\..*$|{own}|^{events}$",
        ),
        User(
            "warren-system",
            own,
            f"^({tasks}|{delays}|{events}|{replies})$|{own}",
            rf"^warren\.(dead\..*|results|tasks\..*)$|{own}|^{events}$",
        ),
        # It asks for the depth of a pool that is being woken, too.
        User("warren-operator", own, f"^({tasks}(\\..*)?|{delays}|{events})$|{own}", f"{own}|^{events}$"),
        User("warren-monitor", "^$", "^$", "^$", ("monitoring",)),
    )
