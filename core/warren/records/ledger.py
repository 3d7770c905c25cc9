"""What records in memory are kept in: entries, and the indexes over them that the store has too.

Forbidden here: deciding what a caller is answered; that is `memory`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from warren.clock import Clock
from warren.record import Lease, Record, State
from warren.records import KEPT_REPORTS, UNACCEPTED_SECONDS
from warren.records.fields import parse_record, task_fields
from warren.tasks import Task
from warren.webhook import Delivery, WebhookState


@dataclass(slots=True)
class WebhookNotes:
    """What the store keeps of a webhook beside when it is to be sent."""

    state: WebhookState | None = None
    tries: int = 0
    claim: int = 0
    attempts: list[Delivery] = field(default_factory=list)
    life: float = math.inf
    """How long the record lives once the webhook is over, in seconds."""


class Entry:
    """A record with what the store keeps beside it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.digest: str | None = None
        self.idempotency: tuple[str, str] | None = None
        self.alone = False
        self.settled: tuple[int, str] | None = None
        """The newest fence that settled, and by which step."""
        self.lapsed: dict[int, bool] = {}
        """The fences that lapsed and whose bearers did not come back, and whether that was charged."""
        self.begun_by: deque[str] = deque(maxlen=KEPT_REPORTS)
        """The newest reports that began an attempt."""
        self.dies_at: float = math.inf
        self.webhook = WebhookNotes()

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return not self.record.state.terminal

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - a record's fields
        """Change the record."""
        self.record = self.record.model_copy(update=changes)

    def leased(self, now: float) -> bool:
        """Whether a consumer holds a live lease."""
        return self.record.state is State.STARTED and (self.record.lease_until or 0) > now

    def stop_running(self, at: float, now: float) -> None:
        """End the lease: the time that the attempt ran is added up, so that deadlines count running time alone."""
        record = self.record
        if record.state is State.STARTED and record.lease_until:
            ran = max(0.0, at - (record.started_at or at))
            self.set(running_seconds=round(record.running_seconds + ran, 3), lease_until=None, changed_at=now)

    def lapse(self, now: float) -> None:
        """Note that the lease ran out, and charge it if its consumer held nothing else."""
        record = self.record
        self.lapsed[record.fence] = self.alone
        self.stop_running(record.lease_until or now, now)
        self.set(suspect=True, lapses=record.lapses + self.alone)

    def take_back(self, fence: int) -> None:
        """Take back the fence's lapse, if there was one, now that its bearer has come back.

        It did not die of the task, it was frozen or cut off. With the last lapse goes the suspicion.
        """
        if fence in self.lapsed:
            charged = self.lapsed.pop(fence)
            self.set(lapses=self.record.lapses - charged, suspect=bool(self.lapsed))


class Ledger:
    """The entries by id, with the idempotency keys, what is due, what is open, what is dead, and what was claimed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.due: dict[str, float] = {}
        """What has ended and is to be told, by the time of its end."""
        self.open: dict[str, float] = {}
        """What has not ended and no MLJob owns, by the time when the sweep looks at it."""
        self.dead: dict[str, float] = {}
        """The dead letters, by the time of their end."""
        self.webhooks: dict[str, float] = {}
        """What a receiver is to be told, by the time of the next attempt."""
        self.claims: dict[str, int] = {}

    def entry(self, task_id: str) -> Entry | None:
        """Return the entry, unless its life has run out."""
        entry = self._entries.get(task_id)
        if entry and entry.dies_at <= self._clock.now():
            self.delete(entry)
            return None
        return entry

    def write(self, task: Task, now: float) -> Entry:
        """Return a new entry, of a queued task."""
        record = parse_record({"state": State.QUEUED.value, **task_fields(task)}, 0)
        entry = self._entries[task.id] = Entry(record.model_copy(update={"submitted_at": now}))
        return entry

    def delete(self, entry: Entry) -> None:
        """Forget the entry, and free its idempotency key."""
        del self._entries[entry.record.id]
        self.open.pop(entry.record.id, None)
        if entry.idempotency:
            self.keys.pop(entry.idempotency, None)

    def keep_open(self, entry: Entry, now: float) -> None:
        """Say when the sweep looks at the entry; those that MLJobs own are their operator's to see to."""
        if not entry.record.owner:
            self.open[entry.record.id] = min(now + UNACCEPTED_SECONDS, entry.record.expires_at or math.inf)

    def start(self, entry: Entry, consumer: str, now: float, *, alone: bool, lease_until: float) -> None:
        """Begin an attempt, under a new lease."""
        record = entry.record
        entry.alone = alone
        entry.set(
            state=State.STARTED,
            consumer=consumer,
            lease_until=lease_until,
            started_at=now,
            due_at=None,
            progress=None,
            attempt=record.attempt + 1,
            fence=max(record.fence + 1, round(now * 1e6)),
        )
        self.claims[record.pool] = self.claims.get(record.pool, 0) + 1

    def finish(self, entry: Entry, state: State, now: float) -> None:
        """End the record: the one way in which one ends."""
        entry.stop_running(now, now)
        entry.set(state=state, finished_at=now, accepted=True, held=False)
        task_id = entry.record.id
        self.due[task_id] = now
        if state.value in (entry.record.callback_events or ()):
            self.list_webhook(entry, now)
        if not entry.record.owner:
            self.open.pop(task_id, None)
            if state is State.FAILED:
                self.dead[task_id] = now

    def list_webhook(self, entry: Entry, now: float) -> None:
        """Say that the entry's receiver is to be told from now on; until that is over, the entry lives."""
        self.webhooks[entry.record.id] = now
        notes = entry.webhook
        notes.state, notes.tries, notes.claim = WebhookState.PENDING, 0, notes.claim + 1
        notes.life, entry.dies_at = min(notes.life, entry.dies_at - now), math.inf

    def live(self, entry: Entry, now: float, seconds: float) -> None:
        """Let the entry's life begin to run out, once its webhook is over; the shorter of two lives counts."""
        if entry.record.id in self.webhooks:
            entry.webhook.life = min(entry.webhook.life, seconds)
        else:
            entry.dies_at = min(entry.dies_at, now + seconds)

    def expire_if_late(self, entry: Entry, now: float) -> bool:
        """End the record as expired if nobody started it in time."""
        late = entry.record.expires_at
        if entry.record.state not in (State.QUEUED, State.RETRYING) or late is None or late > now:
            return False
        self.finish(entry, State.EXPIRED, now)
        return True

    def standing(self, lease: Lease, step: str, task: Task | None, now: float) -> Entry | bool:
        """Return the entry that the lease's bearer may write to; else whether this very step was done already."""
        entry = self.entry(lease.task_id)
        if entry is None:
            return self._rewrite(lease, task, now) if task else False
        if entry.settled and entry.settled[0] == lease.fence:
            return entry.settled[1] == step
        if not entry.open:
            return False
        entry.take_back(lease.fence)
        return entry if entry.record.state is State.STARTED and entry.record.fence <= lease.fence else False

    def _rewrite(self, lease: Lease, task: Task, now: float) -> Entry:
        """Write a record that was forgotten while its task was at work."""
        entry = self.write(task, now)
        entry.set(state=State.STARTED, started_at=now, attempt=lease.attempt, fence=lease.fence, accepted=True)
        self.keep_open(entry, now)
        return entry
