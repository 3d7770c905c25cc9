"""Sweeping the records in memory: one look at those that are open and due to be looked at.

Forbidden here: anything that `steps/sweep.lua` does not do.
"""

from __future__ import annotations

from itertools import takewhile

from warren.record import State, Swept
from warren.records.ledger import Entry, Ledger


def sweep(ledger: Ledger, now: float, unaccepted_seconds: float, stale_seconds: float, limit: int) -> Swept:
    """Delete, end as expired, find forgotten, or look again later, whatever each of the records needs."""
    late = sorted((at, task_id) for task_id, at in ledger.open.items() if at <= now)[:limit]
    swept = Swept(len(late))
    for _, task_id in late:
        entry = ledger.entry(task_id)
        if entry is None or not entry.open:
            ledger.open.pop(task_id, None)
        elif _is_new(entry) and now - _tried(entry) >= unaccepted_seconds:
            ledger.delete(entry)
            swept.deleted.append(task_id)
        elif ledger.expire_if_late(entry, now):
            swept.expired.append(task_id)
        elif _is_new(entry):
            _look_again(ledger, entry, _tried(entry) + unaccepted_seconds)
        else:
            if _is_stale(entry, now - stale_seconds):
                swept.stale.append(entry.record.model_copy(update={"now": now}))
            _look_again(ledger, entry, now + stale_seconds)
    _strike_gone(ledger, limit)
    return swept


def _is_new(entry: Entry) -> bool:
    return entry.record.state is State.QUEUED and not entry.record.accepted


def _tried(entry: Entry) -> float:
    return max(entry.record.submitted_at or 0.0, entry.record.changed_at or 0.0)


def _is_stale(entry: Entry, before: float) -> bool:
    record = entry.record
    return not record.held and max(_tried(entry), record.lease_until or 0.0, record.due_at or 0.0) <= before


def _look_again(ledger: Ledger, entry: Entry, at: float) -> None:
    record = entry.record
    if record.expires_at and record.state is not State.STARTED:
        at = min(at, record.expires_at)
    ledger.open[record.id] = at


def _strike_gone(ledger: Ledger, limit: int) -> None:
    """Strike the oldest dead letters whose life has run out: nobody may ever look at that end of the list."""
    oldest = sorted(ledger.dead, key=lambda task_id: (ledger.dead[task_id], task_id))[:limit]
    for task_id in tuple(takewhile(lambda task_id: ledger.entry(task_id) is None, oldest)):
        del ledger.dead[task_id]
