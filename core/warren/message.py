"""The mapping between tasks and messages: the protocol that a worker in any language speaks.

The body is the payload itself. Everything about the task is in AMQP properties and headers. `docs/protocol.md` is this
module for people.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from warren.errors import InvalidRequestError
from warren.record import Record, State
from warren.tasks import JSON, TASK_NAME, Payload, Priority, Task, TaskOptions

PROTOCOL: Final = 1
"""The version of this mapping, in the header `warren-protocol`."""

_OPTION_HEADERS: Final = {
    "timeout_seconds": "warren-timeout-seconds",
    "expires_seconds": "warren-expires-seconds",
    "max_attempts": "warren-max-attempts",
    "callback_url": "warren-callback-url",
}
_FIELD_HEADERS: Final = {"model": "warren-model", "owner": "warren-owner", "traceparent": "traceparent"}


@dataclass(frozen=True, slots=True)
class Message:
    """An AMQP message without its routing."""

    body: bytes
    content_type: str = JSON
    message_id: str | None = None
    type: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    priority: int = 0
    headers: Mapping[str, Any] = field(default_factory=dict)


def encode_task(task: Task, *, task_id: str | None = None) -> Message:
    """Return the message that carries the task.

    `task_id` is given when an idempotency key found an earlier submission: the message then goes under its id.
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
        headers=_headers(task),
    )


def decode_task(message: Message, pool: str) -> Task:
    """Return the task that a message of the pool's queue carries.

    Raises:
        InvalidRequestError: the message has no id, no type or a malformed header.

    """
    if not message.message_id or not message.type:
        detail = "a task's message needs the properties message_id (a UUID) and type (the task's name)"
        raise InvalidRequestError(detail)
    if not re.fullmatch(TASK_NAME, message.type):
        detail = f"the message's type {message.type!r} is no task's name: those match {TASK_NAME}"
        raise InvalidRequestError(detail)
    text = {name: message.headers.get(header) for name, header in _FIELD_HEADERS.items()}
    return Task(
        id=message.message_id,
        name=message.type,
        pool=pool,
        payload=Payload(message.body, message.content_type or JSON),
        options=_options(message),
        reply_to=message.reply_to,
        **{name: str(value) for name, value in text.items() if value is not None},
    )


def encode_reply(record: Record) -> Message:
    """Return the reply to a task that ended: its result as raw bytes, or its error as a JSON document."""
    succeeded = record.state is State.SUCCEEDED
    error = record.error.model_dump_json().encode() if record.error else b"{}"
    headers: dict[str, Any] = {"warren-protocol": PROTOCOL, "warren-state": record.state.value}
    if record.result_ref:
        headers["warren-result-ref"] = record.result_ref
    return Message(
        body=(record.result or b"") if succeeded else error,
        content_type=(record.result_type or JSON) if succeeded else JSON,
        message_id=record.id,
        type=record.name,
        correlation_id=record.id,
        headers=headers,
    )


def _headers(task: Task) -> dict[str, Any]:
    options = task.options.model_dump(mode="json")
    values = {header: options[name] for name, header in _OPTION_HEADERS.items()}
    values |= {header: getattr(task, name) for name, header in _FIELD_HEADERS.items()}
    return {"warren-protocol": PROTOCOL} | {header: value for header, value in values.items() if value is not None}


def _options(message: Message) -> TaskOptions:
    values = {name: message.headers.get(header) for name, header in _OPTION_HEADERS.items()}
    priority = Priority.HIGH if message.priority >= Priority.HIGH.amqp else Priority.NORMAL
    try:
        return TaskOptions(priority=priority, **{name: v for name, v in values.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        header = _OPTION_HEADERS.get(str(first["loc"][0]), str(first["loc"][0]))
        raise InvalidRequestError(f"the message header {header} is not valid: {first['msg']}") from error
