"""The store of task records: one interface, two adapters.

`redis` speaks to Valkey or Redis and decides in Lua; `memory` holds the same semantics in this process. Each method is
one atomic step, decided by the store and by the store's clock: callers never read, think and write.

Forbidden here: decisions about what to publish or acknowledge; the callers own those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        Submission,
        Swept,
        TaskError,
    )
    from warren.records.webhooks import Webhooks
    from warren.tasks import Task

LEASE_SECONDS = 30.0
"""How long a lease lasts without a heartbeat."""

RESULT_TTL_SECONDS = 48 * 3600.0
"""How long a terminal record lives after the ack of its message, by default."""

LEAST_RESULT_TTL_SECONDS = 300.0
"""The shortest such life: a duplicate of the message may still be on its way and must find that the task has ended."""

MOST_RESULT_TTL_SECONDS = 10 * 365 * 24 * 3600.0
"""The longest: stores count a key's life in milliseconds, and cannot count without end."""

UNACCEPTED_SECONDS = 300.0
"""How long after its last submission the sweep first looks at a record; an expiry may come before."""

MAX_LAPSES = 3
"""How many lapsed leases end a task as poison."""

KEPT_REPORTS = 10
"""Of how many reports that began an attempt a record knows that they did: the newest."""


class Records(Protocol):
    """Task records, in one atomic step a call.

    Every method raises `RecordsUnavailableError` within about a second when the store does not answer.
    """

    @property
    def webhooks(self) -> Webhooks:
        """What is to be told to receivers of users' own, listed by the steps that end tasks."""

    async def create(self, task: Task) -> tuple[Submission, Record]:
        """Write the record `queued` if the task, or its caller's idempotency key, is new.

        Raises:
            IdempotencyConflictError: the key was used with another name, pool or payload.

        """

    async def accept(self, task_id: str) -> None:
        """Note that the broker confirmed the task's message."""

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        """Return the records, None where there is none; one past its expiry reads as expired."""

    async def claim(self, task: Task, consumer: str, *, alone: bool, seconds: float = LEASE_SECONDS) -> Claim:
        """Decide what the consumer does with a delivery of the task; a missing record is created from it.

        `alone` says that the consumer holds no other task and takes none until this one is done (always so where its
        concurrency is 1): then, should the lease lapse, this task is to blame.
        """

    async def renew(
        self,
        lease: Lease,
        task: Task,
        consumer: str,
        *,
        progress: Progress | None = None,
        seconds: float = LEASE_SECONDS,
    ) -> Renewal:
        """Prolong the lease; a record that a flushed store forgot is written again from the task."""

    async def finish(
        self, lease: Lease, task: Task, outcome: Outcome, *, ttl_seconds: float = RESULT_TTL_SECONDS
    ) -> float | None:
        """Set the terminal record and list its reply as due, and its webhook as to be sent.

        Where no reply is wanted (see `Record.awaited`) nothing is due. The record has that long to live, unless owned,
        whether the reply can be sent or not. It may run before the message is acked, whose ack may be lost: it then
        comes back much sooner than that.

        Return the time of the end, in seconds since the epoch by the store's clock; None if fenced out, or ended
        already.
        """

    async def retry(self, lease: Lease, task: Task, error: TaskError, *, after_seconds: float) -> bool:
        """Charge a failure and set `retrying` with its due time; False if fenced out or ended already."""

    async def release(self, lease: Lease) -> bool:
        """Hand back: end the lease without charging anything; False if fenced out or ended already."""

    async def settle(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS, told: bool = True) -> None:
        """Strike the ended task's reply off the due list and let its record's life begin to run out, unless owned.

        A reply that could not be sent is not `told`: it stays due, for as long as the record lives. Settled again, the
        shorter of the two lives counts. A life begins when the record's webhook is over.
        """

    async def due(self, *, older_than_seconds: float, limit: int = 100) -> list[Record]:
        """Return ended records whose reply has been due for that long, those first that have waited longest.

        Each goes to the end of the line: until it is settled it is returned once in so many seconds.
        """

    async def cancel(self, task_id: str, *, absent: Task | None = None) -> Record | None:
        """End the task as canceled unless it has ended; return its record, None if there is none.

        `absent` writes a canceled record where there is none, so that a message still under way cannot start it.
        """

    async def hold(self, task_id: str, *, held: bool) -> Record | None:
        """Suspend (or resume) a task: see `Verdict.HELD`. Return its record, None if there is none."""

    async def move(self, task_id: str, pool: str) -> None:
        """Note that the task's message is being moved to another pool, unless it is over or a consumer works on it.

        A claim notes by itself which pool it came from.
        """

    async def disown(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Let go of an ended record that an MLJob owned: from now on its life runs out."""

    async def end(self, task: Task, outcome: Outcome) -> End:
        """End the task as a worker without a lease says; a missing record is created from the task."""

    async def note(self, task: Task, progress: Progress | None, *, report: str) -> Note:
        """Note what a worker without a lease says of its work; a missing record is created from the task.

        Without progress it begins an attempt, and so does the first word of it. `report` names this word of the worker
        (printable ASCII, without spaces): noted again under the same name, it begins no other attempt.
        """

    async def abandon(self, record: Record, error: TaskError) -> bool:
        """End as failed a record that no message and no lease stands behind.

        False, and nothing is changed, if it is under a live lease, has ended, or has changed since `record` was read.
        """

    async def sweep(self, *, unaccepted_seconds: float, stale_seconds: float, limit: int = 1000) -> Swept:
        """Look at the open records whose time to be looked at has come; those that MLJobs own never are.

        A record that was not accepted for `unaccepted_seconds` is deleted and frees its idempotency key. One past its
        expiry ends as expired. One that is accepted, without a live lease, not held, not waiting for its due time and
        unchanged for `stale_seconds` is returned as stale. What stays open is looked at again at its expiry or after
        `stale_seconds`, whichever is first; what is not accepted yet, when it would be deleted.
        """

    async def dead(self, *, after: str | None = None, limit: int = 100) -> DeadPage:
        """Return failed records, the newest end first, from where `after` (`DeadPage.next`) says, without payloads.

        Raises:
            ValueError: `after` is not the `next` of a page.

        """

    async def discard(self, task_id: str, *, replayed_as: str | None = None) -> Record | None:
        """Strike a failed record off the dead letters and drop its payload; return it as it was before.

        It keeps its state until its life runs out. None if it is no dead letter (any more); what replays it is noted
        all the same.
        """

    async def claims(self, pools: Sequence[str]) -> dict[str, int]:
        """Return how many attempts were ever started in each of the pools."""

    async def ping(self) -> None:
        """Return if the store answers and takes writes."""

    async def close(self) -> None:
        """Close the connections."""
