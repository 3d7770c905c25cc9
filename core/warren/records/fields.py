"""Records as flat fields: how a task and a hash in the store become each other.

Times are whole milliseconds in the store and seconds in a `Record`. Both adapters write the same fields.

Forbidden here: I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from warren.record import Outcome, Progress, Record, State, TaskError
from warren.tasks import Payload, Task, TaskOptions

Fields = dict[str, bytes | str]

_TEXT: Final = frozenset(
    {
        "id",
        "name",
        "pool",
        "state",
        "owner",
        "caller",
        "model",
        "priority",
        "idempotency_key",
        "consumer",
        "result_type",
        "result_ref",
        "reply_to",
        "callback_url",
        "payload_type",
        "payload_ref",
        "payload_sha256",
        "replay_of",
        "replayed_as",
    }
)
_WHOLE: Final = frozenset({"max_attempts", "attempt", "failures", "lapses", "fence", "replays", "payload_size"})
_FLAG: Final = frozenset({"accepted", "held", "suspect"})
_TIME: Final = frozenset(
    {"lease_until", "submitted_at", "started_at", "finished_at", "due_at", "expires_at", "changed_at"}
)

_KNOWN_KINDS: Final = 256


def milliseconds(seconds: float) -> int:
    """Return a time as the store has it."""
    return round(seconds * 1000)


def task_fields(task: Task) -> Fields:
    """Return the fields of a record that its task alone determines."""
    options = task.options
    values = {
        "id": task.id,
        "name": task.name,
        "pool": task.pool,
        "owner": task.owner,
        "caller": task.caller,
        "model": task.model,
        "priority": options.priority.value,
        "idempotency_key": task.idempotency_key,
        "reply_to": task.reply_to,
        "max_attempts": options.max_attempts,
        "timeout_seconds": options.timeout_seconds,
        "callback_url": options.callback_url,
        "callback_events": " ".join(options.callback_events) if options.callback_url else None,
        "replay_of": task.replay_of,
        "replays": task.replays or None,
        "expires_at": _deadline(task) or None,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def new_record(task: Task, due_ms: int, now_ms: int, expires_ms: int) -> Record:
    """Return the record that was just written for a task, given the times that the store set (0: none)."""
    options, now = task.options, now_ms / 1000
    return Record(
        id=task.id,
        name=task.name,
        pool=task.pool,
        state=State.QUEUED,
        owner=task.owner,
        caller=task.caller,
        model=task.model,
        priority=options.priority.value,
        idempotency_key=task.idempotency_key,
        max_attempts=options.max_attempts,
        timeout_seconds=options.timeout_seconds,
        submitted_at=now,
        due_at=due_ms / 1000 or None,
        expires_at=(expires_ms or _deadline(task)) / 1000 or None,
        reply_to=task.reply_to,
        callback_url=str(options.callback_url) if options.callback_url else None,
        callback_events=options.callback_events if options.callback_url else None,
        replay_of=task.replay_of,
        replays=task.replays,
        now=now,
    )


def _deadline(task: Task) -> int:
    """Return the task's own deadline in milliseconds; 0: none. The epoch itself is past like any other such time."""
    return 0 if task.deadline is None else max(1, milliseconds(task.deadline))


def outcome_fields(outcome: Outcome) -> Fields:
    """Return the fields that the end of an attempt adds (its state apart)."""
    values: dict[str, bytes | str | None] = {
        "result": outcome.result,
        "result_type": outcome.result_type,
        "result_ref": outcome.result_ref,
        "payload": outcome.payload,
        "payload_type": outcome.payload_type,
        "payload_ref": outcome.payload_ref,
        "payload_sha256": outcome.payload_sha256,
        "error": outcome.error.model_dump_json() if outcome.error else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def payload_fields(payload: Payload) -> Fields:
    """Return the fields by which a failed task keeps its payload."""
    if payload.reference is None:
        return {"payload": payload.body, "payload_type": payload.content_type}
    kept: Fields = {"payload_ref": payload.reference, "payload_type": payload.content_type}
    return kept | {"payload_sha256": payload.sha256} if payload.sha256 else kept


def without_payload(record: Record) -> Record:
    """Return a record as a page of the dead letters holds it: with its payload's size in place of the payload."""
    size = None if record.payload is None else len(record.payload)
    return record.model_copy(update={"payload": None, "payload_size": size})


def task_digest(task: Task) -> str:
    """Return what tells two submissions apart: a digest of name, pool, payload and options.

    A payload counts by its SHA-256, so that it is the same whether it lies in object storage or not.
    """
    kind = _kind(task.name, task.pool, task.model or "", task.payload.content_type, task.options)
    payload = task.payload.sha256 or hashlib.sha256(task.payload.body).hexdigest()
    return hashlib.sha256(kind + payload.encode()).hexdigest()


@lru_cache(_KNOWN_KINDS)
def _kind(name: str, pool: str, model: str, content_type: str, options: TaskOptions) -> bytes:
    """Return what is digested of a task but for its payload: a process submits few kinds."""
    return b"".join(part.encode() + b"\0" for part in (name, pool, model, content_type, options.model_dump_json()))


def parse_record(fields: Mapping[str, bytes | str], now_ms: int) -> Record:
    """Return the record that the store's fields say; fields that it has for itself are passed over."""
    known: dict[str, Any] = {}
    for stored, raw in fields.items():
        name, read = _READ.get(stored, _OWN)
        if (value := read(raw)) is not None:
            known[name] = value
    return Record(now=now_ms / 1000, **known)


def _text(raw: str) -> str | None:
    return raw or None


def _nothing(_: str) -> None:
    return None


def _flag(raw: str) -> bool:
    return raw == "1"


def _time(raw: str) -> float | None:
    return int(raw) / 1000 or None


def _words(raw: str) -> tuple[str, ...]:
    return tuple(raw.split())


def _error(raw: str) -> TaskError | None:
    return TaskError.model_validate_json(raw) if raw else None


def _seconds(raw: str) -> float:
    return int(raw) / 1000


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(_TEXT, _text),
    **dict.fromkeys(_WHOLE, int),
    **dict.fromkeys(_FLAG, _flag),
    **dict.fromkeys(_TIME, _time),
    "timeout_seconds": float,
    "callback_events": _words,
    "error": _error,
    "progress": Progress.model_validate_json,
    "result": bytes,
    "payload": bytes,
}
"""How each field of a record is read."""

_READ: Final = {name: (name, read) for name, read in _READERS.items()} | {"running_ms": ("running_seconds", _seconds)}
_OWN: Final = ("", _nothing)
"""Stands for the fields that the store has for itself."""
