"""The plan of a soak: which fault comes when, and what each task is. Everything follows from the seed.

Pure: no clock, no chance but the seed's, no I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What is done to the installation."""

    CONSUMER_KILLED = "consumer-killed"
    CONSUMER_FROZEN = "consumer-frozen"
    PRODUCER_KILLED = "producer-killed"
    BROKER_RESTARTED = "broker-restarted"
    BROKER_KILLED = "broker-killed"
    STORE_KILLED = "store-killed"
    SYSTEM_KILLED = "system-killed"
    BLACK_HOLE = "black-hole"
    STORE_BLACK_HOLE = "store-black-hole"
    PARTITION = "partition"
    MEMORY_ALARM = "memory-alarm"
    POISON = "poison"


LEASE_SECONDS = 4.0

_LASTS = {
    Fault.CONSUMER_KILLED: (0.0, 1.0),
    Fault.CONSUMER_FROZEN: (1.5 * LEASE_SECONDS, 35.0),
    Fault.PRODUCER_KILLED: (0.0, 2.0),
    Fault.BROKER_RESTARTED: (0.0, 0.0),
    Fault.BROKER_KILLED: (0.0, 5.0),
    Fault.STORE_KILLED: (0.0, 3.0),
    Fault.SYSTEM_KILLED: (0.0, 5.0),
    Fault.BLACK_HOLE: (3.0, 30.0),
    Fault.STORE_BLACK_HOLE: (3.0, 15.0),
    Fault.PARTITION: (3.0, 30.0),
    Fault.MEMORY_ALARM: (3.0, 12.0),
    Fault.POISON: (0.0, 0.0),
}
"""How long each fault is left standing, in seconds. AMQP's heartbeat is 10 s, and after two the broker gives up on a
connection: only a longer freeze or black hole makes it hand the tasks to others meanwhile."""

_FIRST_AT = 8.0
_LONGEST_GAP = 15.0


@dataclass(frozen=True, slots=True)
class Event:
    """One fault of the plan."""

    fault: Fault
    at: float
    """Seconds after the load began; not before the fault ahead of it is over."""
    lasts: float
    target: int
    """Which process, where there are several: any number, taken modulo theirs."""
    alone: bool = False
    """Whether every task that met the fault ahead of it must have ended before it."""


class Kind(StrEnum):
    """What a task does; its name is the function's in `traced`."""

    WAITS = "soak_waits"
    BLOCKS = "soak_blocks"
    FALTERS = "soak_falters"
    KILLS = "soak_kills"


@dataclass(frozen=True, slots=True)
class Job:
    """One task of the load."""

    number: int
    kind: Kind
    seconds: float
    twice: bool
    """Whether it is submitted twice under its idempotency key."""
    delay: float = 0.0
    """Seconds before which it must not be started."""
    expires: float | None = None
    """Seconds after which it must not be started."""
    cancel_after: float | None = None
    """Seconds after its acceptance at which it is canceled."""


def at_random(seed: int, seconds: float, faults: Sequence[Fault] = tuple(Fault)) -> tuple[Event, ...]:
    """Return faults that begin within `seconds`, after random pauses or none; each comes before any comes again."""
    random, events, at = Random(f"faults {seed}"), [], _FIRST_AT  # noqa: S311 - a plan keeps no secret
    for fault in _shuffled(random, faults):
        event = _event(random, fault, at)
        if at >= seconds:
            break
        events.append(event)
        at += event.lasts + max(0.0, random.uniform(-_LONGEST_GAP / 3, _LONGEST_GAP))
    return tuple(events)


def one_by_one(seed: int, faults: Sequence[Fault] = tuple(Fault)) -> tuple[Event, ...]:
    """Return each fault once, for as long as it may last, each after all that met the one before has ended."""
    random = Random(f"faults {seed}")  # noqa: S311
    return tuple(Event(fault, 0.0, _LASTS[fault][1], random.randrange(1000), alone=True) for fault in faults)


def job(seed: int, number: int) -> Job:
    """Return the task of that number."""
    random = Random(f"job {seed} {number}")  # noqa: S311
    kind = random.choices((Kind.WAITS, Kind.BLOCKS, Kind.FALTERS), (80, 17, 3))[0]
    job = Job(number, kind, round(random.uniform(0.1, 0.9), 3), twice=random.random() < 0.05)
    seconds = round(random.uniform(0.5, 8.0), 3)
    match random.choices(("plain", "delayed", "expires", "canceled"), (91, 5, 2, 2))[0]:
        case "delayed":
            return replace(job, delay=seconds)
        case "expires":
            return replace(job, expires=seconds)
        case "canceled":
            return replace(job, cancel_after=seconds)
    return job


def _event(random: Random, fault: Fault, at: float) -> Event:
    return Event(fault, round(at, 3), round(random.uniform(*_LASTS[fault]), 3), random.randrange(1000))


def _shuffled(random: Random, faults: Sequence[Fault]) -> Iterator[Fault]:
    while True:
        yield from random.sample(faults, len(faults))
