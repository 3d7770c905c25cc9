"""Records in this process, for tests and for trying things out: the same steps as the store's, on a clock of one's own.

Forbidden here: semantics that the Lua steps do not have. One suite runs against both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from warren.clock import Clock, SystemClock
from warren.errors import IdempotencyConflictError, RecordsUnavailableError
from warren.record import Claim, Lease, Outcome, Progress, Record, Renewal, State, Submission, TaskError, Verdict
from warren.records import LEASE_SECONDS, MAX_LAPSES, RESULT_TTL_SECONDS
from warren.records.fields import outcome_fields, parse_record, task_digest, task_fields
from warren.records.poison import POISON
from warren.tasks import Task

_WAITING = (State.QUEUED, State.RETRYING)


class _Entry:
    """A record with what the store keeps beside it."""

    def __init__(self, record: Record, digest: str | None = None, idempotency: tuple[str, str] | None = None) -> None:
        self.record = record
        self.digest = digest
        self.idempotency = idempotency
        self.alone = False
        self.settled: tuple[int, str] | None = None
        """The newest fence that settled, and by which step."""
        self.dies_at: float | None = None

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - a record's fields
        self.record = self.record.model_copy(update=changes)


class MemoryRecords:
    """Task records in a dict. `available = False` makes every call fail as if the store were away."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._entries: dict[str, _Entry] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._due: dict[str, float] = {}
        self._unaccepted: dict[str, float] = {}
        self.available = True

    async def create(self, task: Task, *, scope: str = "") -> tuple[Submission, Record]:
        """Write the record `queued` if the task, or its idempotency key within `scope`, is new."""
        now = self._now()
        key = (scope, task.idempotency_key) if task.idempotency_key is not None else None
        known = self._entry(self._keys.get(key, task.id) if key else task.id) or self._entry(task.id)
        if known is not None:
            return self._existing(known, task)
        entry = self._write(task, submitted_at=now)
        entry.digest, entry.idempotency = task_digest(task), key
        options = task.options
        entry.set(
            due_at=now + options.delay_seconds if options.delay_seconds else None,
            expires_at=now + options.expires_seconds if options.expires_seconds else None,
        )
        self._await_acceptance(entry)
        if key:
            self._keys[key] = task.id
        return Submission.CREATED, self._seen(entry)

    async def accept(self, task_id: str) -> None:
        """Note that the broker confirmed the task's message."""
        self._now()
        self._unaccepted.pop(task_id, None)
        if entry := self._entry(task_id):
            entry.set(accepted=True)

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        """Return the records, None where there is none."""
        self._now()
        entries = [self._entry(task_id) for task_id in task_ids]
        for entry in filter(None, entries):
            self._expire_if_late(entry)
        return [self._seen(entry) if entry else None for entry in entries]

    async def claim(self, task: Task, consumer: str, *, alone: bool, seconds: float = LEASE_SECONDS) -> Claim:
        """Decide what the consumer does with a delivery of the task."""
        now = self._now()
        entry = self._entry(task.id) or self._write(task, submitted_at=now)
        entry.set(accepted=True)
        self._unaccepted.pop(task.id, None)
        verdict, wait = self._verdict(entry, consumer, alone=alone)
        if verdict is Verdict.CLAIMED:
            record = entry.record
            entry.alone = alone
            entry.set(
                state=State.STARTED,
                consumer=consumer,
                lease_until=now + seconds,
                started_at=now,
                due_at=None,
                progress=None,
                attempt=record.attempt + 1,
                fence=max(record.fence + 1, round(now * 1e6)),
            )
        record = self._seen(entry)
        holds = verdict in (Verdict.CLAIMED, Verdict.ADOPTED)
        lease = Lease(task.id, record.fence, record.attempt) if holds else None
        return Claim(verdict, record, lease, wait)

    async def renew(
        self,
        lease: Lease,
        task: Task,
        consumer: str,
        *,
        progress: Progress | None = None,
        seconds: float = LEASE_SECONDS,
    ) -> Renewal:
        """Prolong the lease."""
        now = self._now()
        entry = self._standing(lease, "renew", task)
        if isinstance(entry, bool):
            return Renewal.LOST
        entry.set(
            fence=lease.fence, consumer=consumer, lease_until=now + seconds, progress=progress or entry.record.progress
        )
        return Renewal.HAND_BACK if entry.record.held else Renewal.RENEWED

    async def finish(self, lease: Lease, task: Task, outcome: Outcome) -> bool:
        """Set the terminal record and list its reply and webhook as due."""
        self._now()
        entry = self._standing(lease, "finish", task)
        if isinstance(entry, bool):
            return entry
        entry.set(**outcome_fields(outcome) | {"error": outcome.error})
        self._finish(entry, outcome.state)
        entry.settled = (lease.fence, "finish")
        return True

    async def retry(self, lease: Lease, task: Task, error: TaskError, *, after_seconds: float) -> bool:
        """Charge a failure and set `retrying` with its due time."""
        now = self._now()
        entry = self._standing(lease, "retry", task)
        if isinstance(entry, bool):
            return entry
        self._stop_running(entry, now)
        entry.set(
            state=State.RETRYING,
            due_at=now + after_seconds,
            error=error,
            suspect=False,
            lapses=0,
            failures=entry.record.failures + 1,
        )
        entry.settled = (lease.fence, "retry")
        return True

    async def release(self, lease: Lease) -> bool:
        """Hand back: end the lease without charging anything."""
        now = self._now()
        entry = self._standing(lease, "release", None)
        if isinstance(entry, bool):
            return entry
        self._stop_running(entry, now)
        entry.settled = (lease.fence, "release")
        return True

    async def settle(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Strike the ended task off the due list and let its record's life begin to run out, unless owned."""
        now = self._now()
        self._due.pop(task_id, None)
        entry = self._entry(task_id)
        if entry and entry.record.state.terminal and not entry.record.owner:
            entry.dies_at = min(entry.dies_at or math.inf, now + ttl_seconds)

    async def due(self, *, older_than_seconds: float, limit: int = 100) -> list[Record]:
        """Return ended records whose reply or webhook has been due for that long."""
        now = self._now()
        late = [task_id for task_id, since in self._due.items() if since <= now - older_than_seconds][:limit]
        for task_id in late:
            if self._entry(task_id) is None:
                del self._due[task_id]
        return [self._seen(entry) for entry in map(self._entry, late) if entry]

    async def cancel(self, task_id: str, *, absent: Task | None = None) -> Record | None:
        """End the task as canceled unless it has ended."""
        now = self._now()
        entry = self._entry(task_id) or (self._write(absent, submitted_at=now) if absent else None)
        if entry and not entry.record.state.terminal:
            self._finish(entry, State.CANCELED)
        return self._seen(entry) if entry else None

    async def hold(self, task_id: str, *, held: bool) -> Record | None:
        """Suspend or resume a task."""
        self._now()
        entry = self._entry(task_id)
        if entry and not entry.record.state.terminal:
            entry.set(held=held)
        return self._seen(entry) if entry else None

    async def disown(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Let go of an ended record that an MLJob owned."""
        now = self._now()
        if entry := self._entry(task_id):
            entry.set(owner=None)
            entry.dies_at = now + ttl_seconds if entry.record.state.terminal else None

    async def sweep(self, *, older_than_seconds: float, limit: int = 1000) -> list[str]:
        """Delete records that were never accepted for that long."""
        before = self._now() - older_than_seconds
        late = [task_id for task_id, since in self._unaccepted.items() if since <= before][:limit]
        swept = [task_id for task_id in late if self._never_came_through(self._entry(task_id))]
        for task_id in late:
            del self._unaccepted[task_id]
        for task_id in swept:
            self._delete(task_id)
        return swept

    async def ping(self) -> None:
        """Return if available."""
        self._now()

    async def close(self) -> None:
        """Close: there is nothing to do."""

    def flush(self) -> None:
        """Forget everything, as a store that lost its volume does."""
        self._entries.clear()
        self._keys.clear()
        self._due.clear()
        self._unaccepted.clear()

    def _now(self) -> float:
        if not self.available:
            raise RecordsUnavailableError("the record store is away")
        return round(self._clock.now(), 3)

    def _entry(self, task_id: str) -> _Entry | None:
        entry = self._entries.get(task_id)
        if entry and entry.dies_at is not None and entry.dies_at <= self._clock.now():
            self._delete(task_id)
            return None
        return entry

    def _delete(self, task_id: str) -> None:
        entry = self._entries.pop(task_id)
        if entry.idempotency:
            self._keys.pop(entry.idempotency, None)

    def _seen(self, entry: _Entry) -> Record:
        return entry.record.model_copy(update={"now": self._now()})

    def _write(self, task: Task, *, submitted_at: float) -> _Entry:
        fields = {
            name: value.encode() if isinstance(value, str) else value for name, value in task_fields(task).items()
        }
        record = parse_record(fields | {"state": State.QUEUED.encode()}, 0)
        entry = _Entry(record.model_copy(update={"submitted_at": submitted_at}))
        self._entries[task.id] = entry
        return entry

    def _existing(self, entry: _Entry, task: Task) -> tuple[Submission, Record]:
        if entry.digest and entry.digest != task_digest(task):
            detail = f"the idempotency key belongs to task {entry.record.id}, which was submitted with another body"
            raise IdempotencyConflictError(detail)
        if entry.record.accepted:
            return Submission.ACCEPTED, self._seen(entry)
        self._await_acceptance(entry)
        return Submission.UNACCEPTED, self._seen(entry)

    def _await_acceptance(self, entry: _Entry) -> None:
        """Let the sweep's time begin, anew with each try; an MLJob's record is never swept."""
        if not entry.record.owner:
            self._unaccepted.pop(entry.record.id, None)
            self._unaccepted[entry.record.id] = self._now()

    @staticmethod
    def _never_came_through(entry: _Entry | None) -> bool:
        return entry is not None and entry.record.state is State.QUEUED and not entry.record.accepted

    def _verdict(  # noqa: PLR0911 - the verdicts are as many
        self, entry: _Entry, consumer: str, *, alone: bool
    ) -> tuple[Verdict, float]:
        now = self._now()
        if entry.record.state.terminal:
            return Verdict.ENDED, 0
        if entry.record.held:
            return Verdict.HELD, 0
        if self._expire_if_late(entry):
            return Verdict.EXPIRED, 0
        lease = entry.record.lease_until
        if entry.record.state is State.STARTED and lease:
            if lease > now:
                mine = entry.record.consumer == consumer
                return (Verdict.ADOPTED, 0) if mine else (Verdict.BUSY, lease - now)
            if self._lapse(entry, lease):
                return Verdict.POISON, 0
        if entry.record.due_at and entry.record.due_at > now:
            return Verdict.EARLY, entry.record.due_at - now
        return (Verdict.ALONE, 0) if entry.record.suspect and not alone else (Verdict.CLAIMED, 0)

    def _lapse(self, entry: _Entry, lease: float) -> bool:
        self._stop_running(entry, lease)
        entry.set(suspect=True, lapses=entry.record.lapses + entry.alone)
        if entry.record.lapses < MAX_LAPSES:
            return False
        entry.set(error=POISON)
        self._finish(entry, State.FAILED)
        return True

    def _expire_if_late(self, entry: _Entry) -> bool:
        late = entry.record.expires_at
        if entry.record.state not in _WAITING or late is None or late > self._now():
            return False
        self._finish(entry, State.EXPIRED)
        return True

    def _finish(self, entry: _Entry, state: State) -> None:
        now = self._now()
        if entry.record.state is State.STARTED and entry.record.lease_until:
            self._stop_running(entry, now)
        entry.set(state=state, finished_at=now, accepted=True, held=False)
        self._due[entry.record.id] = now

    @staticmethod
    def _stop_running(entry: _Entry, at: float) -> None:
        record = entry.record
        ran = max(0.0, at - (record.started_at or at))
        entry.set(running_seconds=round(record.running_seconds + ran, 3), lease_until=None)

    def _standing(self, lease: Lease, step: str, task: Task | None) -> _Entry | bool:
        """Return the entry that the lease's bearer may write to; else whether this very step was done already."""
        entry = self._entry(lease.task_id)
        if entry is None:
            return self._rewrite(lease, task) if task else False
        if entry.settled and entry.settled[0] == lease.fence:
            return entry.settled[1] == step
        record = entry.record
        return entry if record.state is State.STARTED and record.fence <= lease.fence else False

    def _rewrite(self, lease: Lease, task: Task) -> _Entry:
        now = self._now()
        entry = self._write(task, submitted_at=now)
        entry.set(state=State.STARTED, started_at=now, attempt=lease.attempt, fence=lease.fence, accepted=True)
        return entry
