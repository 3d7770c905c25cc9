"""The content of a message as RabbitMQ sends it, AMQP 0-9-1: its properties, read in the order of the standard.

Forbidden here: I/O, and knowing what a message means.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

from pamqp import decode

from warren.message import Message

_FLAGS: Final = struct.Struct(">H")
_SIZE: Final = struct.Struct(">I")
_TIME: Final = struct.Struct(">Q")
_SECONDS_UNTIL: Final = 0xFFFFFFFF
"""A time beyond (the year 2106) is in milliseconds: some clients write it so."""

_KNOWN_TABLES: Final = 1024

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads a value at a place; returns it and the place after it."""


def read_message(properties: bytes, body: bytes) -> Message:
    """Return the message with these properties, from their flags on.

    Properties that cannot be read are as good as none: whoever takes the message finds that it has no id.
    """
    try:
        found = _read(properties)
    except (ValueError, IndexError, struct.error, RecursionError):
        found = {}
    return Message(
        body=body,
        content_type=found.get("content_type", ""),
        message_id=found.get("message_id"),
        type=found.get("type"),
        correlation_id=found.get("correlation_id"),
        reply_to=found.get("reply_to"),
        priority=found.get("priority", 0),
        headers=found.get("headers", {}),
        timestamp=found.get("timestamp"),
    )


def _read(properties: bytes) -> dict[str, Any]:
    (flags,), at = _FLAGS.unpack_from(properties), _FLAGS.size
    found: dict[str, Any] = {}
    for flag, name, read in _PROPERTIES:
        if flags & flag:
            found[name], at = read(properties, at)
    return found


def _text(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at]
    if end > len(raw):
        raise ValueError("a text ends after its frame")
    text = raw[at + 1 : end]
    try:
        return text.decode(), end
    except UnicodeDecodeError:
        # One character for one byte, as `decoding` has it: AMQP's limit holds when it is published again.
        return text.decode("ascii", errors="replace").replace("\N{REPLACEMENT CHARACTER}", "?"), end


def _byte(raw: bytes, at: int) -> tuple[int, int]:
    return raw[at], at + 1


def _time(raw: bytes, at: int) -> tuple[float, int]:
    (time,) = _TIME.unpack_from(raw, at)
    return (time / 1000 if time > _SECONDS_UNTIL else float(time)), at + _TIME.size


def _table(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + _SIZE.size + _SIZE.unpack_from(raw, at)[0]
    return dict(_known_table(raw[at:end])), end


@lru_cache(_KNOWN_TABLES)
def _known_table(raw: bytes) -> dict[str, Any]:
    """Return the table; most messages of a queue have the same few headers."""
    return cast(
        "dict[str, Any]", decode.METHODS["table"](raw)[1]
    )  # as `decoding` has it read, whatever the table holds


_PROPERTIES: Final[tuple[tuple[int, str, Read], ...]] = (
    (1 << 15, "content_type", _text),
    (1 << 14, "content_encoding", _text),
    (1 << 13, "headers", _table),
    (1 << 12, "delivery_mode", _byte),
    (1 << 11, "priority", _byte),
    (1 << 10, "correlation_id", _text),
    (1 << 9, "reply_to", _text),
    (1 << 8, "expiration", _text),
    (1 << 7, "message_id", _text),
    (1 << 6, "timestamp", _time),
    (1 << 5, "type", _text),
)
"""The properties up to the last one that is of interest, in their order on the wire."""
