"""How many replicas a pool gets: a pure function of what was seen and what is remembered.

Replicas go up at once. They go down to the most that was recommended within the stabilization time, and never below
what holds the tasks under way. What is not known is not zero: then nothing goes down.

Forbidden here: clocks, I/O, third parties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from warren.message import cut
from warren_operator.pool.demand import Demand, demand
from warren_operator.pool.observation import LATE_SECONDS

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec
    from warren_operator.pool.history import History
    from warren_operator.pool.observation import Observation


class Reason(StrEnum):
    """Why this number, as one word."""

    BACKLOG = "Backlog"
    """As many as the work asks for."""
    AT_MAXIMUM = "AtMaximum"
    """The work asks for more than maxReplicas."""
    BUSY = "Busy"
    """The work asks for fewer, but they hold tasks under way."""
    STABILIZING = "Stabilizing"
    """The work asks for fewer, but not yet for long enough."""
    IDLE = "Idle"
    """There is no work: minReplicas."""
    ABOVE_MAXIMUM = "AboveMaximum"
    """Somebody set more than maxReplicas."""
    WOKEN = "Woken"
    """A producer said that it publishes, and no figure shows it yet."""
    PAUSED = "Paused"
    """An annotation holds the count."""
    METRICS_UNKNOWN = "MetricsUnknown"
    """The queue's figures are missing or old: hold."""
    CONSUMERS_UNKNOWN = "ConsumersUnknown"
    """Consumers that are there are not heard of: none goes."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas, and why."""

    replicas: int
    reason: Reason
    message: str
    """The reason as a sentence, with its figures."""
    wish: int
    """What the work alone asks for: it is remembered for the stabilization time."""
    limited: bool = False
    """Whether the work, without what is to be spare, asks for more than maxReplicas."""


_MOST_REPLICAS: Final = 2**31 - 1
"""What Kubernetes has room for."""
_MOST_CHARACTERS: Final = 40
"""Of an annotation that is to be a number: more are none, and are not told either."""
_WAKING: Final = Demand(1.0, 1.0, 1.0, "a producer publishes, and no figure shows it yet")


def step(seen: Observation, spec: ConsumerPoolSpec, history: History, now: float) -> tuple[Decision, History]:
    """Take an observation in and decide; return what to remember until the next one, too."""
    rest = spec.scale_down.stabilization_seconds
    if not history.wishes or _raised_by_hand(seen, spec, history):
        history = history.advised(min(seen.replicas, spec.max_replicas), now, rest)
    passed, history = now - history.looked_at, history.after(seen, now, spec.concurrency)
    decision = decide(seen, spec, history, now)
    if decision.reason is Reason.METRICS_UNKNOWN and now - history.known_at <= LATE_SECONDS:
        return decision, history.postponed(passed)  # figures are as late at other times: a hiccup is no outage
    return decision, history.advised(decision.wish, now, rest)


def decide(seen: Observation, spec: ConsumerPoolSpec, history: History, now: float) -> Decision:
    """Decide on the number of replicas; `history` already holds the observation."""
    if seen.paused is not None:
        return _pause(seen, spec, seen.paused)
    if not seen.known:
        return _hold(seen, spec)
    found = demand(seen, spec, history, now)
    if seen.woken and not found.replicas and not spec.min_replicas:
        found = _WAKING
    return replace(_meet(seen, spec, history, now, found), limited=math.ceil(found.work) > spec.max_replicas)


def _meet(seen: Observation, spec: ConsumerPoolSpec, history: History, now: float, found: Demand) -> Decision:
    """Decide on what the work asks for."""
    up, down = math.ceil(found.replicas), math.ceil(found.kept)
    low, high = _bounded(up, spec), _bounded(down, spec)
    if low >= seen.replicas:
        return _serve(seen, spec, up, low, found)
    if seen.silent:
        message = f"{found.words}; {high} are enough, but what the consumers do is not known; unknown is not zero"
        return Decision(seen.replicas, Reason.CONSUMERS_UNKNOWN, message, seen.replicas)
    return _shrink(seen, spec, history, now, min(high, seen.replicas), found)


def _bounded(replicas: int, spec: ConsumerPoolSpec) -> int:
    return min(max(replicas, spec.min_replicas), spec.max_replicas)


def _raised_by_hand(seen: Observation, spec: ConsumerPoolSpec, history: History) -> bool:
    """Whether somebody else set more replicas: a recommendation like any other, unless this one only advises."""
    decided = max(count for _, count in history.wishes)
    last = history.last
    return not spec.advise_only and last is not None and seen.replicas > max(last.replicas, decided)


def _pause(seen: Observation, spec: ConsumerPoolSpec, wish: str) -> Decision:
    if wish.isdecimal() and len(wish) <= _MOST_CHARACTERS and int(wish) <= _MOST_REPLICAS:
        return Decision(int(wish), Reason.PAUSED, f"an annotation holds {spec.queue} at {wish} replicas", int(wish))
    said = cut(wish, _MOST_CHARACTERS)
    message = f"an annotation that pauses {spec.queue} says {said!r}, which is no number of replicas; nothing changes"
    return Decision(seen.replicas, Reason.PAUSED, message, seen.replicas)


def _hold(seen: Observation, spec: ConsumerPoolSpec) -> Decision:
    replicas = max(seen.replicas, spec.min_replicas)
    if seen.woken and replicas == 0:
        return Decision(1, Reason.WOKEN, "a producer published to the sleeping pool, whose figures are not known", 1)
    message = f"the figures of {spec.queue} are missing or old; unknown is not zero"
    return Decision(replicas, Reason.METRICS_UNKNOWN, message, replicas)


def _serve(seen: Observation, spec: ConsumerPoolSpec, wanted: int, replicas: int, found: Demand) -> Decision:
    sentence = f"{found.words}: {wanted}"
    if math.ceil(found.work) > spec.max_replicas:
        sentence = f"{sentence}, but maxReplicas is {spec.max_replicas}"
        return Decision(replicas, Reason.AT_MAXIMUM, sentence, replicas)
    if wanted > spec.max_replicas:
        sentence = f"{sentence}, but maxReplicas leaves less to spare with {spec.max_replicas}"
        return Decision(replicas, Reason.BACKLOG, sentence, replicas)
    if found is _WAKING:
        return Decision(replicas, Reason.WOKEN, found.words, replicas)
    if not found.replicas and seen.in_flight:
        return Decision(replicas, Reason.BUSY, f"{found.words}: {replicas} stay for these", replicas)
    if not found.replicas:
        return Decision(replicas, Reason.IDLE, f"no work; minReplicas is {spec.min_replicas}", replicas)
    return Decision(replicas, Reason.BACKLOG, sentence, replicas)


def _shrink(  # noqa: PLR0913, PLR0917 - it needs whatever there is
    seen: Observation,
    spec: ConsumerPoolSpec,
    history: History,
    now: float,
    wish: int,
    found: Demand,
) -> Decision:
    """Decide on fewer replicas, or on waiting for that."""
    rest, holding = spec.scale_down.stabilization_seconds, -(-seen.in_flight // spec.concurrency)
    # What was wanted under another maxReplicas is no reason to stay above this one.
    patient = min(spec.max_replicas, max([wish, *(count for at, count in history.wishes if at > now - rest)]))
    careful = min(seen.replicas, max(patient, holding))
    if careful < seen.replicas:
        reason, sentence = _goodbye(seen, spec, careful, found)
        return Decision(careful, reason, sentence, wish)
    if patient >= seen.replicas and wish < seen.replicas:
        sentence = f"{found.words}; {wish} are enough, and will do once that has held for {rest} s"
        return Decision(seen.replicas, Reason.STABILIZING, sentence, wish)
    if wish == seen.replicas:
        return Decision(seen.replicas, Reason.BACKLOG, f"{found.words}: {seen.replicas}", wish)
    sentence = f"{found.words}; {wish} are enough, but these hold {seen.in_flight} tasks under way"
    return Decision(seen.replicas, Reason.BUSY, sentence, wish)


def _goodbye(seen: Observation, spec: ConsumerPoolSpec, replicas: int, found: Demand) -> tuple[Reason, str]:
    """Return why replicas go."""
    if seen.replicas > spec.max_replicas:
        limit = f"maxReplicas is {spec.max_replicas}"
        return Reason.ABOVE_MAXIMUM, f"the Deployment was set to {seen.replicas}, {limit}"
    if not found.replicas and not seen.in_flight:
        rest = spec.scale_down.stabilization_seconds
        return Reason.IDLE, f"no work for {rest} s; minReplicas is {spec.min_replicas}"
    return Reason.BACKLOG, f"{found.words}: {replicas}"
