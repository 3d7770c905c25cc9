"""The record store: does it keep what it confirms?

Forbidden here: I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from warren.doctor.clock import judge_clock
from warren.doctor.finding import Finding, Findings

if TYPE_CHECKING:
    from warren.records.inspection import StoreFacts

ABOUT: Final = Findings("records")
NEARLY_FULL: Final = 0.8
_UNKNOWN: Final = "it does not tell"


def judge_store(facts: StoreFacts) -> list[Finding]:
    """Return what there is to say about the store."""
    return [
        ABOUT.ok("reachable", facts.server),
        _role(facts),
        _appendonly(facts),
        _appendfsync(facts),
        _eviction(facts),
        *_memory(facts),
        *_disk(facts),
        judge_clock(ABOUT, facts.skew_seconds),
    ]


def _role(facts: StoreFacts) -> Finding:
    if facts.role in {None, "master"}:
        return ABOUT.ok("role", "takes writes")
    return ABOUT.problem("role", f"it is a {facts.role}", "point WARREN_RECORDS_URL at the primary")


def _appendonly(facts: StoreFacts) -> Finding:
    advice = "set `appendonly yes` in its configuration: records that were confirmed are lost when it is killed"
    if facts.appendonly is None:
        return ABOUT.warning("appendonly", _UNKNOWN, "make sure with its provider that it writes an append-only file")
    return ABOUT.ok("appendonly", "yes") if facts.appendonly else ABOUT.problem("appendonly", "no", advice)


def _appendfsync(facts: StoreFacts) -> Finding:
    if facts.appendfsync is None:
        advice = "make sure with its provider that a confirmed write survives the loss of its machine"
        return ABOUT.warning("appendfsync", f"{_UNKNOWN} (CONFIG GET is refused)", advice)
    if facts.appendfsync == "always":
        return ABOUT.ok("appendfsync", "always")
    advice = "set `appendfsync always`: what it confirmed last is lost when its machine dies"
    return ABOUT.problem("appendfsync", facts.appendfsync, advice)


def _eviction(facts: StoreFacts) -> Finding:
    if facts.maxmemory_policy is None:
        return ABOUT.warning("maxmemory-policy", _UNKNOWN, "make sure with its provider that it is noeviction")
    if facts.maxmemory_policy == "noeviction":
        return ABOUT.ok("maxmemory-policy", "noeviction")
    advice = "set `maxmemory-policy noeviction`: a full store would throw records of waiting tasks away"
    return ABOUT.problem("maxmemory-policy", facts.maxmemory_policy, advice)


def _memory(facts: StoreFacts) -> Iterator[Finding]:
    if facts.used_bytes is None or not facts.limit_bytes:
        return
    share = facts.used_bytes / facts.limit_bytes
    detail = f"{share:.0%} of {facts.limit_bytes / 2**20:.0f} MiB"
    if share < NEARLY_FULL:
        yield ABOUT.ok("memory", detail)
    else:
        yield ABOUT.warning(
            "memory", detail, "give it more, or shorten WARREN_RESULT_TTL_SECONDS: full, it refuses submits"
        )


def _disk(facts: StoreFacts) -> Iterator[Finding]:
    if facts.failed_writes:
        advice = "look at the store's log and its volume: full, or read-only?"
        yield ABOUT.problem("disk", f"failed last: {', '.join(facts.failed_writes)}", advice)
