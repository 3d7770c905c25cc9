"""Events: what happens to tasks, told on the exchange `warren.events` to whoever listens. They are best effort.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from warren.message import PROTOCOL, Message

if TYPE_CHECKING:
    from warren.record import Record

WAKE_PREFIX: Final = "pool.wake."


def event_key(record: Record) -> str:
    """Return the routing key of the event that tells of the record's present state."""
    return f"task.{record.state.value}.{record.name}"


def encode_event(record: Record) -> Message:
    """Return the event: the record as an API's user sees it, without its result."""
    return Message(
        body=orjson.dumps(record.document()),
        message_id=f"{record.id}.{record.state.value}.{record.attempt}",
        type=event_key(record),
        correlation_id=record.id,
        headers={"warren-protocol": PROTOCOL, "warren-state": record.state.value},
    )


def encode_wake(pool: str) -> Message:
    """Return the hint that work comes for a pool; its type is its routing key."""
    return Message(
        body=orjson.dumps({"pool": pool}), type=f"{WAKE_PREFIX}{pool}", headers={"warren-protocol": PROTOCOL}
    )
