"""The mapping between tasks and messages: the protocol that a worker in any language speaks.

The body is the payload itself. Everything about the task is in AMQP properties and headers. `docs/protocol.md` is this
module for people.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from warren.errors import InvalidRequestError, UnknownProtocolError
from warren.record import Record, State
from warren.tasks import JSON, TASK_NAME, Payload, Priority, Task, TaskOptions

PROTOCOL: Final = 1
"""The version of this mapping. A message that says none is of the first."""

PROTOCOL_HEADER: Final = "warren-protocol"
STATE_HEADER: Final = "warren-state"
"""The state that a reply, an event or a worker's report tells of."""

RESULT_HEADER: Final = "warren-result-ref"
"""On a reply: where a large result lies."""

DEADLINE_HEADER: Final = "warren-deadline"
"""When the task expires, in seconds since the epoch. Warren's own messages have it in place of the seconds that the
submitter gave: those would count anew for whoever reads a message without its record."""

EXPIRES_HEADER: Final = "warren-expires-seconds"
REPLAYS_HEADER: Final = "warren-replays"
REFERENCE_HEADER: Final = "warren-payload-ref"
SHA256_HEADER: Final = "warren-payload-sha256"

LAST_DEADLINE: Final = 253_402_300_799
"""The end of the year 9999: later times cannot be told, and are of a client that counts milliseconds, or wrongly."""

_OPTION_HEADERS: Final = {
    "timeout_seconds": "warren-timeout-seconds",
    "max_attempts": "warren-max-attempts",
    "callback_url": "warren-callback-url",
}
CALLBACK_EVENTS_HEADER: Final = "warren-callback-events"
"""Read only where there is a callback."""
_FIELD_HEADERS: Final = {
    "model": "warren-model",
    "owner": "warren-owner",
    "caller": "warren-caller",
    "traceparent": "traceparent",
    "replay_of": "warren-replay-of",
}
_OPTIONS: Final = {header: name for name, header in _OPTION_HEADERS.items()}
_FIELDS: Final = {header: name for name, header in _FIELD_HEADERS.items()}

MOST_ESSENTIAL: Final = 24
LONGEST_ESSENTIAL: Final = 4096
"""How many headers `essential` keeps, and of how many bytes each: with what Warren adds they fit into a frame."""

MOST_SAID: Final = 1000
"""How many characters are told of what somebody else has written: it goes into headers, records and logs."""

_HIGH: Final = Priority.HIGH.amqp
_NO_OPTIONS: Final = {priority: TaskOptions(priority=priority) for priority in Priority}
"""What most messages ask for, besides the work itself."""

_SHA256: Final = re.compile("[0-9a-fA-F]{64}")
_NAME: Final = re.compile(TASK_NAME)


@dataclass(slots=True)
class Message:
    """An AMQP message without its routing.

    Nobody changes one. It is not frozen because that makes it four times as costly to make, and each task makes three.
    """

    body: bytes
    content_type: str = JSON
    message_id: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    priority: int = 0
    headers: Mapping[str, Any] = field(default_factory=dict)
    timestamp: float | None = None
    """When it was published first, in seconds since the epoch; None: the broker's adapter notes the time."""


def encode_task(task: Task, *, task_id: str | None = None, expires_at: float | None = None) -> Message:
    """Return the message that carries the task.

    `task_id` is given when an idempotency key found an earlier submission: the message then goes under its id.
    `expires_at` is when the task's record expires.
    """
    task_id = task_id or task.id
    return Message(
        body=task.payload.body,
        content_type=task.payload.content_type,
        message_id=task_id,
        type=task.name,
        correlation_id=task_id,
        reply_to=task.reply_to,
        priority=task.options.priority.amqp,
        headers=_headers(task, expires_at),
    )


def decode_task(message: Message, pool: str) -> Task:
    """Return the task that a message of the pool's queue carries.

    Raises:
        UnknownProtocolError: the message is of another version of this mapping.
        InvalidRequestError: it has no id, no type or a malformed header.

    """
    check_protocol(message)
    if not message.message_id or not message.type:
        detail = "a task's message needs the properties message_id (a UUID) and type (the task's name)"
        raise InvalidRequestError(detail)
    if not _NAME.fullmatch(message.type):
        detail = f"the message's type {message.type!r} is no task's name: those match {TASK_NAME}"
        raise InvalidRequestError(detail)
    return Task(
        id=message.message_id,
        name=message.type,
        pool=pool,
        payload=_payload(message),
        options=_options(message),
        reply_to=message.reply_to,
        replays=int(_number(message, REPLAYS_HEADER) or 0),
        deadline=_deadline(message),
        **{name: str(value) for name, value in _said(message, _FIELDS).items()},
    )


def check_protocol(message: Message) -> None:
    """Refuse a message of another version: what it means can only be guessed.

    Raises:
        UnknownProtocolError: it is of one, or the version is no number.

    """
    said = message.headers.get(PROTOCOL_HEADER, PROTOCOL)
    if isinstance(said, bool) or said != PROTOCOL:
        detail = (
            f"the message header {PROTOCOL_HEADER} is {cut(repr(said))}, and this release of Warren reads "
            f"{PROTOCOL}: upgrade it, or let the client write that version"
        )
        raise UnknownProtocolError(detail)


def essential(message: Message) -> Message:
    """Return the message with those headers alone that Warren reads, as far as they are short texts or numbers.

    It can be published whatever somebody else has put into it.
    """
    headers = {name: value for name, value in message.headers.items() if name.startswith("warren-") and _short(value)}
    return replace(message, headers=dict(list(headers.items())[:MOST_ESSENTIAL]))


def cut(text: str, most: int = MOST_SAID) -> str:
    """Return as much of a text as is told of it: so many characters."""
    return text if len(text) <= most else f"{text[:most]}..."


def encode_reply(record: Record) -> Message:
    """Return the reply to a task that ended: its result as raw bytes, or its error as a JSON document."""
    succeeded = record.state is State.SUCCEEDED
    error = record.error.model_dump_json().encode() if record.error else b"{}"
    headers: dict[str, Any] = {PROTOCOL_HEADER: PROTOCOL, STATE_HEADER: record.state.value}
    if record.result_ref:
        headers[RESULT_HEADER] = record.result_ref
    return Message(
        body=(record.result or b"") if succeeded else error,
        content_type=(record.result_type or JSON) if succeeded else JSON,
        message_id=record.id,
        type=record.name,
        correlation_id=record.id,
        headers=headers,
    )


def _headers(task: Task, expires_at: float | None) -> dict[str, Any]:
    headers: dict[str, Any] = {PROTOCOL_HEADER: PROTOCOL}
    if task.options.model_fields_set:  # most tasks ask for nothing, and each is encoded once at least
        headers |= _option_headers(task.options)
    for name, header in _FIELD_HEADERS.items():
        if (value := getattr(task, name)) is not None:
            headers[header] = value
    if (deadline := task.deadline if expires_at is None else expires_at) is not None:
        headers[DEADLINE_HEADER] = deadline
    if task.replays:
        headers[REPLAYS_HEADER] = task.replays
    if task.payload.reference is not None:
        headers[REFERENCE_HEADER] = task.payload.reference
        headers[SHA256_HEADER] = task.payload.sha256
    return headers


def _option_headers(options: TaskOptions) -> dict[str, Any]:
    headers = {
        header: value for name, header in _OPTION_HEADERS.items() if (value := getattr(options, name)) is not None
    }
    if options.callback_url is not None:
        headers[_OPTION_HEADERS["callback_url"]] = str(options.callback_url)
        if "callback_events" in options.model_fields_set:
            headers[CALLBACK_EVENTS_HEADER] = " ".join(options.callback_events)
    return headers


def _payload(message: Message) -> Payload:
    """Return the body, or where the headers say that it lies."""
    kind = message.content_type or JSON
    reference, sha256 = (message.headers.get(header) for header in (REFERENCE_HEADER, SHA256_HEADER))
    if reference is None:
        return Payload(message.body, kind)
    if not isinstance(reference, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        detail = f"a message with the header {REFERENCE_HEADER} (s3://bucket/key) needs {SHA256_HEADER}, in hexadecimal"
        raise InvalidRequestError(detail)
    return Payload(b"", kind, reference=reference, sha256=sha256.lower())


def _options(message: Message) -> TaskOptions:
    priority = Priority.HIGH if message.priority >= _HIGH else Priority.NORMAL
    values, expires = _said(message, _OPTIONS), _number(message, EXPIRES_HEADER)
    if not values and expires is None:
        return _NO_OPTIONS[priority]
    if "callback_url" in values:
        events = message.headers.get(CALLBACK_EVENTS_HEADER)
        if events is not None:
            values["callback_events"] = events.split() if isinstance(events, str) else events
    try:
        return TaskOptions(priority=priority, expires_seconds=expires, **values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        other = {"expires_seconds": EXPIRES_HEADER, "callback_events": CALLBACK_EVENTS_HEADER}
        header = (_OPTION_HEADERS | other).get(name, name)
        raise InvalidRequestError(f"the message header {header} is not valid: {first['msg']}") from error


def _said(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what the headers say, by its name; those of most messages are fewer than there can be."""
    return {names[header]: value for header, value in message.headers.items() if header in names and value is not None}


def _deadline(message: Message) -> float | None:
    """Return when the task expires, if its message says so: a client's own seconds count from its timestamp."""
    said, deadline = DEADLINE_HEADER, _number(message, DEADLINE_HEADER)
    if deadline is None:
        seconds = _number(message, EXPIRES_HEADER)
        if seconds is None or message.timestamp is None:
            return None
        said, deadline = f"{EXPIRES_HEADER}, counted from its timestamp,", message.timestamp + seconds
    if deadline > LAST_DEADLINE:
        detail = f"the message header {said} is not valid: {deadline} is no time in seconds"
        raise InvalidRequestError(detail)
    return deadline


def _number(message: Message, header: str) -> float | None:
    value = message.headers.get(header)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        detail = f"the message header {header} is not valid: {cut(repr(value))} is no number from 0 on"
        raise InvalidRequestError(detail)
    return value


def _short(value: object) -> bool:
    if isinstance(value, str):
        return len(value.encode()) <= LONGEST_ESSENTIAL
    return isinstance(value, int | float)
