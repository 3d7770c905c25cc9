"""Records in this process, for tests and for trying things out: the same steps as the store's, on a clock of one's own.

Forbidden here: semantics that the Lua steps do not have. One suite runs against both.
"""

from __future__ import annotations

from collections.abc import Sequence

from warren.clock import Clock, SystemClock
from warren.errors import IdempotencyConflictError, RecordsUnavailableError
from warren.record import (
    Claim,
    DeadPage,
    End,
    Lease,
    Note,
    Outcome,
    Progress,
    Record,
    Renewal,
    State,
    Submission,
    Swept,
    TaskError,
    Verdict,
)
from warren.records import LEASE_SECONDS, RESULT_TTL_SECONDS
from warren.records.claiming import decide_claim
from warren.records.cursor import read_cursor, write_cursor
from warren.records.fields import milliseconds, outcome_fields, payload_fields, task_digest, without_payload
from warren.records.ledger import Entry, Ledger
from warren.records.sweeping import sweep
from warren.records.webhooks.memory import MemoryWebhooks
from warren.tasks import Task

_AS_SEEN = ("state", "attempt", "fence", "lease_until", "due_at", "changed_at")


class MemoryRecords:
    """Task records in a dict. `available = False` makes every call fail as if the store were away."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._ledger = Ledger(self._clock)
        self.available = True

    @property
    def webhooks(self) -> MemoryWebhooks:
        """The webhooks of these records."""
        return MemoryWebhooks(self._ledger, self._now)

    async def create(self, task: Task) -> tuple[Submission, Record]:
        """Write the record `queued` if the task, or its caller's idempotency key, is new."""
        now = self._now()
        key = (task.caller or "", task.idempotency_key) if task.idempotency_key is not None else None
        first = self._ledger.keys.get(key, task.id) if key else task.id
        known = self._ledger.entry(first) or self._ledger.entry(task.id)
        if known is not None:
            return self._existing(known, task)
        entry = self._ledger.write(task, now)
        entry.digest, entry.idempotency = task_digest(task), key
        if task.options.delay_seconds:
            entry.set(due_at=now + task.options.delay_seconds)
        if task.options.expires_seconds:
            entry.set(expires_at=now + task.options.expires_seconds)
        self._ledger.keep_open(entry, now)
        if key:
            self._ledger.keys[key] = task.id
        return Submission.CREATED, self._seen(entry)

    async def accept(self, task_id: str) -> None:
        """Note that the broker confirmed the task's message."""
        self._now()
        if entry := self._ledger.entry(task_id):
            entry.set(accepted=True)

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        """Return the records, None where there is none."""
        now = self._now()
        entries = [self._ledger.entry(task_id) for task_id in task_ids]
        for entry in filter(None, entries):
            self._ledger.expire_if_late(entry, now)
        return [self._seen(entry) if entry else None for entry in entries]

    async def claim(self, task: Task, consumer: str, *, alone: bool, seconds: float = LEASE_SECONDS) -> Claim:
        """Decide what the consumer does with a delivery of the task."""
        now = self._now()
        entry = self._ledger.entry(task.id)
        if entry is None:
            entry = self._ledger.write(task, now)
            self._ledger.keep_open(entry, now)
        if entry.open:
            entry.set(accepted=True, pool=task.pool)
        verdict, wait = decide_claim(self._ledger, entry, now, consumer, alone=alone, seconds=seconds)
        if verdict is Verdict.CLAIMED:
            self._ledger.start(entry, consumer, now, alone=alone, lease_until=now + seconds)
        record = self._seen(entry)
        if record.id in self._ledger.dead and record.payload is None and record.payload_ref is None:
            entry.set(**payload_fields(task.payload))
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
        entry = self._ledger.standing(lease, "renew", task, now)
        if isinstance(entry, bool):
            return Renewal.LOST
        if entry.record.lease_until is None:
            entry.set(started_at=now)  # it lapsed: its time was counted then
        entry.set(
            fence=lease.fence, consumer=consumer, lease_until=now + seconds, progress=progress or entry.record.progress
        )
        return Renewal.HAND_BACK if entry.record.held else Renewal.RENEWED

    async def finish(
        self, lease: Lease, task: Task, outcome: Outcome, *, ttl_seconds: float = RESULT_TTL_SECONDS
    ) -> float | None:
        """Set the terminal record and list its reply and webhook; return the time of the end."""
        now = self._now()
        entry = self._ledger.standing(lease, "finish", task, now)
        if isinstance(entry, bool):
            known = self._ledger.entry(lease.task_id)
            return known.record.finished_at if entry and known else None
        self._conclude(entry, outcome, now)
        entry.settled = (lease.fence, "finish")
        if not entry.record.awaited:
            self._ledger.due.pop(lease.task_id)
        self._begin_life(entry, now, ttl_seconds)
        return now

    async def retry(self, lease: Lease, task: Task, error: TaskError, *, after_seconds: float) -> bool:
        """Charge a failure and set `retrying` with its due time."""
        now = self._now()
        entry = self._ledger.standing(lease, "retry", task, now)
        if isinstance(entry, bool):
            return entry
        entry.stop_running(now, now)
        entry.set(
            state=State.RETRYING,
            due_at=now + after_seconds,
            error=error,
            suspect=False,
            lapses=0,
            failures=entry.record.failures + 1,
        )
        entry.lapsed.clear()
        entry.settled = (lease.fence, "retry")
        return True

    async def release(self, lease: Lease) -> bool:
        """Hand back: end the lease without charging anything."""
        now = self._now()
        entry = self._ledger.standing(lease, "release", None, now)
        if isinstance(entry, bool):
            return entry
        entry.stop_running(now, now)
        entry.settled = (lease.fence, "release")
        return True

    async def settle(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS, told: bool = True) -> None:
        """Strike the ended task off the due list if it was told, and let its record's life begin, unless owned."""
        now = self._now()
        if told:
            self._ledger.due.pop(task_id, None)
        if entry := self._ledger.entry(task_id):
            self._begin_life(entry, now, ttl_seconds)

    async def due(self, *, older_than_seconds: float, limit: int = 100) -> list[Record]:
        """Return ended records whose reply has been due for that long."""
        now, due = self._now(), self._ledger.due
        late = [task_id for task_id, since in due.items() if since <= now - older_than_seconds][:limit]
        for task_id in late:
            del due[task_id]
        found = [self._seen(entry) for entry in map(self._ledger.entry, late) if entry]
        due.update((record.id, now) for record in found)
        return found

    async def cancel(self, task_id: str, *, absent: Task | None = None) -> Record | None:
        """End the task as canceled unless it has ended."""
        now = self._now()
        entry = self._ledger.entry(task_id) or (self._ledger.write(absent, now) if absent else None)
        if entry and entry.open:
            self._ledger.finish(entry, State.CANCELED, now)
        return self._seen(entry) if entry else None

    async def hold(self, task_id: str, *, held: bool) -> Record | None:
        """Suspend or resume a task."""
        now = self._now()
        entry = self._ledger.entry(task_id)
        if entry and entry.open:
            entry.set(held=held, changed_at=now)
        return self._seen(entry) if entry else None

    async def move(self, task_id: str, pool: str) -> None:
        """Note that the task's message is being moved to another pool."""
        now = self._now()
        if (entry := self._ledger.entry(task_id)) and entry.open and not entry.leased(now):
            entry.set(pool=pool, changed_at=now)

    async def disown(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Let go of an ended record that an MLJob owned."""
        now = self._now()
        entry = self._ledger.entry(task_id)
        if entry is None:
            return
        entry.set(owner=None)
        if entry.open:
            self._ledger.keep_open(entry, now)
        else:
            self._ledger.live(entry, now, ttl_seconds)

    async def end(self, task: Task, outcome: Outcome) -> End:
        """End the task as a worker without a lease says."""
        now = self._now()
        entry = self._ledger.entry(task.id) or self._ledger.write(task, now)
        if not entry.open:
            return End.ALREADY
        if entry.leased(now):
            return End.LEASED
        entry.set(attempt=max(1, entry.record.attempt))
        self._conclude(entry, outcome, now)
        return End.ENDED

    async def note(self, task: Task, progress: Progress | None, *, report: str) -> Note:
        """Note what a worker without a lease says of its work."""
        now = self._now()
        entry = self._ledger.entry(task.id)
        if entry is None:
            entry = self._ledger.write(task, now)
            self._ledger.keep_open(entry, now)
        if not entry.open:
            return Note.ALREADY
        if entry.leased(now):
            return Note.LEASED
        if report in entry.begun_by:
            return Note.BEGUN
        # A lease that lapsed stays to be seen: the next claim counts it.
        begins = progress is None or entry.record.state is not State.STARTED
        if begins:
            attempt = entry.record.attempt + 1
            entry.begun_by.append(report)
            entry.set(progress=None, due_at=None, consumer=None, attempt=attempt, started_at=now)
        entry.set(state=State.STARTED, accepted=True, changed_at=now, progress=progress or entry.record.progress)
        return Note.BEGUN if begins else Note.NOTED

    async def abandon(self, record: Record, error: TaskError) -> bool:
        """End as failed a record that no message and no lease stands behind."""
        now = self._now()
        entry = self._ledger.entry(record.id)
        if entry is None or not entry.open or entry.leased(now):
            return False
        if any(getattr(entry.record, name) != getattr(record, name) for name in _AS_SEEN):
            return False
        entry.set(error=error)
        self._ledger.finish(entry, State.FAILED, now)
        return True

    async def sweep(self, *, unaccepted_seconds: float, stale_seconds: float, limit: int = 1000) -> Swept:
        """Look at the open records whose time to be looked at has come."""
        return sweep(self._ledger, self._now(), unaccepted_seconds, stale_seconds, limit)

    async def dead(self, *, after: str | None = None, limit: int = 100) -> DeadPage:
        """Return failed records, the newest end first."""
        self._now()
        begin = read_cursor(after) if after is not None else None
        places = sorted(((milliseconds(ended), task_id) for task_id, ended in self._ledger.dead.items()), reverse=True)
        records: list[Record] = []
        last = (0, "")
        for ended, task_id in places:
            if begin is not None and (ended, task_id) >= begin:
                continue
            if len(records) == limit:
                return DeadPage(records, write_cursor(last, (ended, task_id)))
            if entry := self._ledger.entry(task_id):
                last = (ended, task_id)
                records.append(without_payload(self._seen(entry)))
            else:
                del self._ledger.dead[task_id]
        return DeadPage(records)

    async def discard(self, task_id: str, *, replayed_as: str | None = None) -> Record | None:
        """Strike a failed record off the dead letters and drop its payload."""
        self._now()
        entry = self._ledger.entry(task_id)
        struck = self._ledger.dead.pop(task_id, None) is not None
        if entry is None or entry.record.state is not State.FAILED:
            return None
        before = self._seen(entry)
        if replayed_as:
            entry.set(replayed_as=replayed_as)
        if not struck:
            return None
        entry.set(payload=None, payload_type=None, payload_ref=None, payload_sha256=None)
        return before

    async def claims(self, pools: Sequence[str]) -> dict[str, int]:
        """Return how many attempts were ever started in each of the pools."""
        self._now()
        return {pool: self._ledger.claims.get(pool, 0) for pool in pools}

    async def ping(self) -> None:
        """Return if available."""
        self._now()

    async def close(self) -> None:
        """Close: there is nothing to do."""

    def flush(self) -> None:
        """Forget everything, as a store that lost its volume does."""
        self._ledger = Ledger(self._clock)

    def _now(self) -> float:
        if not self.available:
            raise RecordsUnavailableError("the record store is away")
        return round(self._clock.now(), 3)

    def _seen(self, entry: Entry) -> Record:
        return entry.record.model_copy(update={"now": self._now()})

    def _existing(self, entry: Entry, task: Task) -> tuple[Submission, Record]:
        if entry.digest and entry.digest != task_digest(task):
            detail = f"the idempotency key belongs to task {entry.record.id}, which was submitted with another body"
            raise IdempotencyConflictError(detail)
        if entry.record.accepted:
            return Submission.ACCEPTED, self._seen(entry)
        now = self._now()
        entry.set(changed_at=now)
        self._ledger.keep_open(entry, now)
        return Submission.UNACCEPTED, self._seen(entry)

    def _begin_life(self, entry: Entry, now: float, ttl_seconds: float) -> None:
        """Let an ended entry's life begin to run out, unless it is owned."""
        if not entry.open and not entry.record.owner:
            self._ledger.live(entry, now, ttl_seconds)

    def _conclude(self, entry: Entry, outcome: Outcome, now: float) -> None:
        entry.set(**outcome_fields(outcome) | {"error": outcome.error})
        self._ledger.finish(entry, outcome.state, now)
