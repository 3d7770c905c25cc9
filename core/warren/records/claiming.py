"""Claiming a record in memory: what the consumer that has a delivery of the task does with it.

Forbidden here: anything that `steps/claim.lua` does not do, and beginning the attempt; `memory` does that.
"""

from __future__ import annotations

from warren.record import State, Verdict
from warren.records import MAX_LAPSES
from warren.records.ledger import Entry, Ledger
from warren.records.poison import POISON


def decide_claim(  # noqa: PLR0913 - all that a claim is decided by
    ledger: Ledger, entry: Entry, now: float, consumer: str, *, alone: bool, seconds: float
) -> tuple[Verdict, float]:
    """Return the verdict and how many seconds the delivery is to wait; a lease that ran out is counted on the way.

    `seconds` are how long a lease lasts.
    """
    if not entry.open:
        return Verdict.ENDED, 0
    if entry.record.held:
        return Verdict.HELD, 0
    if ledger.expire_if_late(entry, now):
        return Verdict.EXPIRED, 0
    lease = entry.record.lease_until
    if entry.record.state is State.STARTED and lease:
        if lease > now + seconds:  # the clock was set back: nobody has to wait for longer than a lease lasts
            lease = now + seconds
            entry.set(lease_until=lease)
        if lease > now:
            mine = entry.record.consumer == consumer
            return (Verdict.ADOPTED, 0) if mine else (Verdict.BUSY, lease - now)
        if _is_poisoned(ledger, entry, now):
            return Verdict.POISON, 0
    return _in_turn(entry, now, alone=alone)


def _is_poisoned(ledger: Ledger, entry: Entry, now: float) -> bool:
    """Count the lapse; with the last that is allowed the record ends."""
    entry.lapse(now)
    if entry.record.lapses < MAX_LAPSES:
        return False
    entry.set(error=POISON)
    ledger.finish(entry, State.FAILED, now)
    return True


def _in_turn(entry: Entry, now: float, *, alone: bool) -> tuple[Verdict, float]:
    """Decide for a record that nobody holds: is it due, and may this consumer have it."""
    if wait := _early_by(entry, now):
        return Verdict.EARLY, wait
    if entry.record.suspect and not alone:
        entry.set(changed_at=now)  # its message is on its way again: nobody has forgotten it
        return Verdict.ALONE, 0
    return Verdict.CLAIMED, 0


def _early_by(entry: Entry, now: float) -> float:
    """Return how long it is until the record is due; if the clock was set back since that was noted, as it was then."""
    record = entry.record
    if not record.due_at or record.due_at <= now:
        return 0
    since = record.changed_at or record.submitted_at or now
    if since <= now:
        return record.due_at - now
    wait = max(0.0, record.due_at - since)
    entry.set(due_at=now + wait, changed_at=now)
    return wait
