"""Records in Valkey or Redis: each step is one Lua script, decided by the store's clock.

Forbidden here: deciding; the steps in `steps/` do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import orjson

from warren.errors import IdempotencyConflictError
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
from warren.records import KEPT_REPORTS, LEASE_SECONDS, MAX_LAPSES, RESULT_TTL_SECONDS, UNACCEPTED_SECONDS
from warren.records.cursor import Place, read_cursor, write_cursor
from warren.records.fields import (
    Fields,
    milliseconds,
    new_record,
    outcome_fields,
    parse_record,
    payload_fields,
    task_digest,
    task_fields,
)
from warren.records.poison import POISON
from warren.records.store import ANSWER_SECONDS, Store
from warren.records.webhooks.redis import RedisWebhooks
from warren.tasks import Task

PREFIX: Final = "warren:task:"
KEYS: Final = "warren:key:"
DUE: Final = "warren:due"
"""What has ended and is to be told, by the time of its end."""
OPEN: Final = "warren:open"
"""What has not ended and no MLJob owns, by the time when the sweep looks at it."""
DEAD: Final = "warren:dead"
"""The dead letters, by the time of their end."""
WEBHOOKS: Final = "warren:webhooks"
"""What a receiver is to be told, by the time of the next attempt."""
CLAIMS: Final = "warren:claims"
"""How many attempts were started, by pool."""

STEPS: Final = (
    "accept",
    "read",
    "keep",
    "renew",
    "retry",
    "release",
    "settle",
    "cancel",
    "hold",
    "move",
    "disown",
    "end",
    "note",
    "abandon",
    "sweep",
    "due",
    "dead",
    "discard",
    "claims",
    "webhooks_take",
    "webhooks_put_off",
    "webhook_note",
    "webhook_read",
    "webhook_again",
)
TOGETHER: Final = ("create", "claim", "finish")
"""The steps that every task takes."""
_ABSENT: Final = b"absent"
_POISON: Final = POISON.model_dump_json()
_NAMES: Final = f"""\
local TASK = '{PREFIX}'
local DUE = '{DUE}'
local OPEN = '{OPEN}'
local DEAD = '{DEAD}'
local WEBHOOKS = '{WEBHOOKS}'
local CLAIMS = '{CLAIMS}'
local POISON = [==[{_POISON}]==]
local MAX_LAPSES = {MAX_LAPSES}
local UNACCEPTED_MS = {milliseconds(UNACCEPTED_SECONDS)}
"""


class RedisRecords:
    """Task records in the store at `url` (`redis://user:password@host:port/db`), which has so long to answer a step."""

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._store = Store(url, STEPS, TOGETHER, _NAMES, answer_seconds)
        self._accept = self._store.sharing("accept")
        self._webhooks = RedisWebhooks(self._store, PREFIX)

    @property
    def webhooks(self) -> RedisWebhooks:
        """The webhooks of these records."""
        return self._webhooks

    async def create(self, task: Task) -> tuple[Submission, Record]:
        """Write the record `queued` if the task, or its caller's idempotency key, is new."""
        expires = task.options.expires_seconds
        # 0 is for none.
        limits = (milliseconds(task.options.delay_seconds), max(1, milliseconds(expires)) if expires else 0)
        answer = await self._store.run_together(
            "create",
            _key(task.id),
            task_digest(task),
            *limits,
            task.owner or "",
            _idempotency(task),
            *_flat(task_fields(task)),
        )
        if answer[0] == b"created":
            return Submission.CREATED, new_record(task, *map(int, answer[1:]))
        word, record, _ = _parse(answer)
        if word == "conflict":
            detail = f"the idempotency key belongs to task {record.id}, which was submitted with another body"
            raise IdempotencyConflictError(detail)
        return Submission(word), record

    async def accept(self, task_id: str) -> None:
        """Note that the broker confirmed the task's message."""
        await self._accept(_key(task_id))

    async def read(self, task_ids: Sequence[str]) -> list[Record | None]:
        """Return the records, None where there is none."""
        answers = await self._store.run_each("read", map(_key, task_ids))
        return [_parse(answer)[1] if answer else None for answer in answers]

    async def claim(self, task: Task, consumer: str, *, alone: bool, seconds: float = LEASE_SECONDS) -> Claim:
        """Decide what the consumer does with a delivery of the task."""
        answer = await self._run_known("claim", task, consumer, milliseconds(seconds), int(alone), task.pool)
        word, record, wait = _parse(answer)
        if record.state is State.FAILED and record.payload is None and record.payload_ref is None:
            await self._store.run("keep", [_key(task.id)], *_flat(payload_fields(task.payload)))
        holds = word in (Verdict.CLAIMED, Verdict.ADOPTED)
        lease = Lease(task.id, record.fence, record.attempt) if holds else None
        return Claim(Verdict(word), record, lease, wait)

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
        said = progress.model_dump_json() if progress else ""
        word = await self._store.run(
            "renew",
            [_key(lease.task_id)],
            lease.fence,
            milliseconds(seconds),
            consumer,
            lease.attempt,
            said,
            *_flat(task_fields(task)),
        )
        return Renewal(word.decode())

    async def finish(
        self, lease: Lease, task: Task, outcome: Outcome, *, ttl_seconds: float = RESULT_TTL_SECONDS
    ) -> float | None:
        """Set the terminal record and list its reply and webhook; return the time of the end."""
        # The error of an attempt before this one is over; before the first there was none.
        over: Fields = {"error": ""} if lease.attempt > 1 else {}
        said = _flat(over | outcome_fields(outcome))
        ended = await self._run_known(
            "finish", task, lease.fence, lease.attempt, outcome.state.value, milliseconds(ttl_seconds), len(said), *said
        )
        return int(ended) / 1000 if ended else None

    async def retry(self, lease: Lease, task: Task, error: TaskError, *, after_seconds: float) -> bool:
        """Charge a failure and set `retrying` with its due time."""
        return bool(
            await self._store.run(
                "retry",
                [_key(lease.task_id)],
                lease.fence,
                lease.attempt,
                milliseconds(after_seconds),
                error.model_dump_json(),
                *_flat(task_fields(task)),
            )
        )

    async def release(self, lease: Lease) -> bool:
        """Hand back: end the lease without charging anything."""
        return bool(await self._store.run("release", [_key(lease.task_id)], lease.fence))

    async def settle(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS, told: bool = True) -> None:
        """Strike the ended task off the due list if it was told, and let its record's life begin, unless owned."""
        await self._store.run("settle", [_key(task_id)], milliseconds(ttl_seconds), int(told))

    async def due(self, *, older_than_seconds: float, limit: int = 100) -> list[Record]:
        """Return ended records whose reply has been due for that long."""
        ids = await self._store.run("due", [], milliseconds(older_than_seconds), limit)
        records = await self.read([task_id.decode() for task_id in ids])
        return [record for record in records if record]

    async def cancel(self, task_id: str, *, absent: Task | None = None) -> Record | None:
        """End the task as canceled unless it has ended."""
        fields = _flat(task_fields(absent)) if absent else []
        answer = await self._store.run("cancel", [_key(task_id)], int(absent is not None), *fields)
        return _parse(answer)[1] if answer else None

    async def hold(self, task_id: str, *, held: bool) -> Record | None:
        """Suspend or resume a task."""
        answer = await self._store.run("hold", [_key(task_id)], int(held))
        return _parse(answer)[1] if answer else None

    async def move(self, task_id: str, pool: str) -> None:
        """Note that the task's message is being moved to another pool."""
        await self._store.run("move", [_key(task_id)], pool)

    async def disown(self, task_id: str, *, ttl_seconds: float = RESULT_TTL_SECONDS) -> None:
        """Let go of an ended record that an MLJob owned."""
        await self._store.run("disown", [_key(task_id)], milliseconds(ttl_seconds))

    async def end(self, task: Task, outcome: Outcome) -> End:
        """End the task as a worker without a lease says."""
        said = _flat(outcome_fields(outcome))
        word = await self._store.run(
            "end", [_key(task.id)], outcome.state.value, len(said), *said, *_flat(task_fields(task))
        )
        return End(word.decode())

    async def note(self, task: Task, progress: Progress | None, *, report: str) -> Note:
        """Note what a worker without a lease says of its work."""
        said = progress.model_dump_json() if progress else ""
        word = await self._store.run("note", [_key(task.id)], report, KEPT_REPORTS, said, *_flat(task_fields(task)))
        return Note(word.decode())

    async def abandon(self, record: Record, error: TaskError) -> bool:
        """End as failed a record that no message and no lease stands behind."""
        times = [milliseconds(time or 0) for time in (record.lease_until, record.due_at, record.changed_at)]
        as_seen = (record.state.value, record.attempt, record.fence, *times)
        return bool(await self._store.run("abandon", [_key(record.id)], error.model_dump_json(), *as_seen))

    async def sweep(self, *, unaccepted_seconds: float, stale_seconds: float, limit: int = 1000) -> Swept:
        """Look at the open records whose time to be looked at has come."""
        ages = (milliseconds(unaccepted_seconds), milliseconds(stale_seconds))
        looked, deleted, expired, stale = await self._store.run("sweep", [], *ages, limit)
        return Swept(
            looked,
            [task_id.decode() for task_id in deleted],
            [task_id.decode() for task_id in expired],
            [_parse(answer)[1] for answer in stale],
        )

    async def dead(self, *, after: str | None = None, limit: int = 100) -> DeadPage:
        """Return failed records, the newest end first."""
        place: tuple[str | bytes | float, ...] = read_cursor(after) if after is not None else ()
        records: list[Record] = []
        while True:
            answers, last, following = await self._store.run("dead", [], limit - len(records), *place)
            records += [_parse(answer)[1] for answer in answers]
            if not last:
                return DeadPage(records)
            place = tuple(last)
            if len(records) == limit:
                return DeadPage(records, write_cursor(_place(*last), _place(*following)))

    async def discard(self, task_id: str, *, replayed_as: str | None = None) -> Record | None:
        """Strike a failed record off the dead letters and drop its payload."""
        answer = await self._store.run("discard", [_key(task_id)], *([replayed_as] if replayed_as else []))
        return _parse(answer)[1] if answer else None

    async def claims(self, pools: Sequence[str]) -> dict[str, int]:
        """Return how many attempts were ever started in each of the pools."""
        counts = await self._store.run("claims", [], *pools) if pools else []
        return {pool: int(count or 0) for pool, count in zip(pools, counts, strict=True)}

    async def ping(self) -> None:
        """Return if the store answers and takes writes."""
        await self._store.send("SET", "warren:ping", "1", "PX", 1000)

    async def close(self) -> None:
        """Close the connections."""
        await self._store.close()

    async def _run_known(self, step: str, task: Task, *arguments: str | bytes | float) -> Any:  # noqa: ANN401
        """Run a step of a task whose record is there nearly always; what it is written from goes only where it is not.

        To make, send and read those fields was a twentieth of what a small task costs.
        """
        key = _key(task.id)
        answer = await self._store.run_together(step, key, *arguments)
        if answer == _ABSENT:
            answer = await self._store.run_together(step, key, *arguments, *_flat(task_fields(task)))
        return answer


def _key(task_id: str) -> str:
    return PREFIX + task_id


def _place(ended: bytes, task_id: bytes) -> Place:
    return int(ended), task_id.decode()


def _idempotency(task: Task) -> str:
    """Return the key under which the store finds the task again, nothing where none was given."""
    if task.idempotency_key is None:
        return ""
    return KEYS + hashlib.sha256(f"{task.caller or ''}\0{task.idempotency_key}".encode()).hexdigest()


def _flat(fields: Fields) -> list[str | bytes]:
    return list(chain.from_iterable(fields.items()))


def _parse(answer: Sequence[Any]) -> tuple[str, Record, float]:
    """Read what `tell()` of the prelude returns: verdict, wait in ms, the clock in ms, the record."""
    word, wait, now, document, result, payload = answer
    fields: Fields = orjson.loads(document)
    if result is not None:
        fields["result"] = result
    if payload is not None:
        fields["payload"] = payload
    return word.decode(), parse_record(fields, int(now)), int(wait) / 1000
