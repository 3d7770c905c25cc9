"""A message as the frames of a publish, AMQP 0-9-1: bytes that go onto the wire as they are.

aio-pika builds three objects, each encoded by walking its fields, for what is nearly the same bytes every time. A task
costs a third of its submit there. So the properties that Warren sets are written here, in the order of the standard.

Forbidden here: I/O, and knowing why a message is sent.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from pamqp import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from warren.message import Message

_METHOD, _HEADER, _BODY = 1, 2, 3
_BASIC, _PUBLISH = 60, 40
_END: Final = b"\xce"
_AROUND: Final = 8
"""How many bytes of a frame are not its content: type, channel, size and end."""

_FRAME: Final = struct.Struct(">BHI")
_CONTENT: Final = struct.Struct(">HHQ")
_PERSISTENT: Final = 2

# The flags of the properties, which then follow in this order.
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _PRIORITY = 1 << 15, 1 << 13, 1 << 12, 1 << 11
_CORRELATION_ID, _REPLY_TO, _MESSAGE_ID, _TIMESTAMP, _TYPE = 1 << 10, 1 << 9, 1 << 7, 1 << 6, 1 << 5
_ALWAYS: Final = _CONTENT_TYPE | _HEADERS | _DELIVERY_MODE | _PRIORITY | _MESSAGE_ID | _TIMESTAMP
_TIME: Final = struct.Struct(">Q")
_DOUBLE: Final = struct.Struct(">d")

_LEFT_OUT: Final = frozenset({"x-death", "CC"})
"""Headers by which the broker notes a message's way, and is told of further ways: on a message that is published again
the one would grow with every round, and the other bring a copy back each time, even to the queue that it came from."""

_KNOWN_ROUTES: Final = 1024
_KNOWN_HEADERS: Final = 1024
_KNOWN_WORDS: Final = 1024


def publish_frames(  # noqa: PLR0913 - a message, where it goes, and over what
    message: Message,
    message_id: str,
    *,
    exchange: str,
    routing_key: str,
    mandatory: bool,
    timestamp: int,
    channel: int,
    frame_max: int,
) -> bytes:
    """Return the frames that publish the message, persistent, over the channel; `timestamp` is in seconds.

    Raises:
        ValueError: the routing key, or a property, is longer than AMQP's 255 bytes; or all properties together do not
            fit into one frame, as they have to: the broker would end the connection, with all that is under way on it.

    """
    properties = _properties(message, message_id, timestamp)
    header = _frame(_HEADER, channel, _CONTENT.pack(_BASIC, 0, len(message.body)) + properties)
    if len(header) > frame_max:
        raise ValueError(f"the message's properties take {len(header)} bytes, and the broker takes {frame_max} at most")
    return _method(channel, exchange, routing_key, mandatory) + header + _body(message.body, channel, frame_max)


def _properties(message: Message, message_id: str, timestamp: int) -> bytes:
    flags = _ALWAYS
    own_id = _short(message_id)
    correlation = reply_to = kind = b""
    if message.correlation_id is not None:
        flags |= _CORRELATION_ID
        correlation = own_id if message.correlation_id == message_id else _short(message.correlation_id)
    if message.reply_to is not None:
        flags |= _REPLY_TO
        reply_to = _known_short(message.reply_to)
    if message.type is not None:
        flags |= _TYPE
        kind = _known_short(message.type)
    return b"".join(
        (
            flags.to_bytes(2),
            _known_short(message.content_type),
            _headers(message.headers),
            bytes((_PERSISTENT, message.priority)),
            correlation,
            reply_to,
            own_id,
            _TIME.pack(timestamp),
            kind,
        )
    )


@lru_cache(_KNOWN_ROUTES)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:  # noqa: FBT001 - a key of the cache
    """Return the method's frame: a process publishes along few routes."""
    method = struct.pack(">HHH", _BASIC, _PUBLISH, 0) + _short(exchange) + _short(routing_key) + bytes((mandatory,))
    return _frame(_METHOD, channel, method)


def _headers(headers: Mapping[str, Any]) -> bytes:
    """Return the table of headers, but for those that are the broker's to read."""
    if not _LEFT_OUT.isdisjoint(headers):
        headers = {name: value for name, value in headers.items() if name not in _LEFT_OUT}
    try:
        # By their types as well: 1, 1.0 and True are equal, and not the same on the wire.
        return _known_table(tuple(headers.items()), tuple(map(type, headers.values())))
    except TypeError:  # a value of other brokers' making, such as a list, is no key
        return _table(headers.items())


@lru_cache(_KNOWN_HEADERS)
def _known_table(items: tuple[tuple[str, Any], ...], _: tuple[type, ...]) -> bytes:
    return _table(items)


def _table(items: Iterable[tuple[str, Any]]) -> bytes:
    table = b"".join(_short(name) + _value(value) for name, value in items)
    return len(table).to_bytes(4) + table


def _value(value: Any) -> bytes:  # noqa: ANN401 - what a header may hold
    """Return a value as other brokers' libraries write it: all that can be read can be written."""
    match value:
        case float():  # the library would write single precision, which tells times of this century to two minutes
            return b"d" + _DOUBLE.pack(value)
        case bytes():  # a text that is not UTF-8
            return b"S" + len(value).to_bytes(4) + value
        case dict():
            return b"F" + _table(value.items())
        case list():
            items = b"".join(map(_value, value))
            return b"A" + len(items).to_bytes(4) + items
        case _:
            return encode.encode_table_value(value)


def _body(body: bytes, channel: int, frame_max: int) -> bytes:
    most = frame_max - _AROUND
    if len(body) <= most:
        return _frame(_BODY, channel, body) if body else b""
    return b"".join(_frame(_BODY, channel, body[start : start + most]) for start in range(0, len(body), most))


def _frame(kind: int, channel: int, content: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(content)) + content + _END


def _short(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:  # noqa: PLR2004 - AMQP's own limit
        raise ValueError(f"AMQP takes 255 bytes at most here, not {len(raw)}: {text[:50]!r}...")
    return bytes((len(raw),)) + raw


_known_short = lru_cache(_KNOWN_WORDS)(_short)
"""For what messages have in common: types, their tasks' names, who waits for the reply."""
