"""Events: what happens to tasks, told on the exchange `warren.events` to whoever listens. They are best effort.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson

from warren.message import PROTOCOL, PROTOCOL_HEADER, STATE_HEADER, Message
from warren.tasks import TASK_NAME

if TYPE_CHECKING:
    from warren.record import Record, State

WAKE_PREFIX: Final = "pool.wake."
UNKNOWN: Final = "unknown"
"""The last word of an event's key where a message's type was no task's name."""
MAX_ID_BYTES: Final = 255
"""AMQP's limit."""

_KNOWN_KINDS: Final = 1024
_NAME: Final = re.compile(TASK_NAME)


def event_key(record: Record) -> str:
    """Return the routing key of the event that tells of the record's present state.

    A message that is no task may bear any name, and still gets a record. A key has one word for it, and a limit.
    """
    return _key(record.state, record.name)


@lru_cache(_KNOWN_KINDS)
def _key(state: State, name: str) -> str:
    return f"task.{state.value}.{name if _NAME.fullmatch(name) else UNKNOWN}"


def encode_event(record: Record) -> Message:
    """Return the event: the record as an API's user sees it, without its result."""
    own_id = f"{record.id}.{record.state}.{record.attempt}"
    return Message(
        body=record.document_json(),
        # A foreign client's id of a task may be as long as AMQP lets it be.
        message_id=own_id if len(own_id.encode()) <= MAX_ID_BYTES else None,
        type=event_key(record),
        correlation_id=record.id,
        headers={PROTOCOL_HEADER: PROTOCOL, STATE_HEADER: record.state.value},
    )


def encode_wake(pool: str) -> Message:
    """Return the hint that work comes for a pool; its type is its routing key."""
    return Message(body=orjson.dumps({"pool": pool}), type=f"{WAKE_PREFIX}{pool}", headers={PROTOCOL_HEADER: PROTOCOL})
