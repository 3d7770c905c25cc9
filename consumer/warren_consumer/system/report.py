"""What a worker that is not Python's says about a task: the message that it publishes to `warren.results`.

`docs/protocol.md` is this module for people.

Forbidden here: I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from warren.errors import InvalidRequestError
from warren.record import State, TaskError
from warren.tasks import JSON, TASK_NAME, Payload

if TYPE_CHECKING:
    from warren.message import Message

STATE_HEADER: Final = "warren-state"
POOL_HEADER: Final = "warren-pool"
FAILED: Final = "failed"
"""The code of a failure whose worker named none."""
MAX_CODE_CHARACTERS: Final = 64
MAX_TEXT_CHARACTERS: Final = 16_384
"""A record is no log: of a longer message the beginning is kept, of a longer traceback the end."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a task went."""

    task_id: str
    name: str | None
    pool: str | None
    reply_to: str | None
    result: Payload
    error: TaskError | None
    """Why it failed; None where it succeeded."""


def read(message: Message) -> Report:
    """Return what the message says.

    Raises:
        InvalidRequestError: it does not say which task it is of, or how that went.

    """
    if not message.message_id:
        raise InvalidRequestError("a result needs the property message_id: the id of its task")
    if message.type and not re.fullmatch(TASK_NAME, message.type):
        raise InvalidRequestError(f"the type {message.type!r} is no task's name: those match {TASK_NAME}")
    pool = message.headers.get(POOL_HEADER)
    return Report(
        task_id=message.message_id,
        name=message.type or None,
        pool=None if pool is None else str(pool),
        reply_to=message.reply_to,
        result=Payload(message.body, message.content_type or JSON),
        error=_error(message),
    )


def _error(message: Message) -> TaskError | None:
    state = message.headers.get(STATE_HEADER, State.SUCCEEDED.value)
    if state == State.SUCCEEDED.value:
        return None
    if state == State.FAILED.value:
        return describe(message.body)
    raise InvalidRequestError(f"the header {STATE_HEADER} is {state!r}; a result is either succeeded or failed")


def describe(body: bytes) -> TaskError:
    """Return the error that a worker describes: in JSON (`code`, `message`, `traceback`), or in its own words."""
    said = _document(body)
    message = _text(said.get("message")) or body.decode(errors="replace").strip() or "its worker does not say why"
    traceback = _text(said.get("traceback"))
    return TaskError(
        code=(_text(said.get("code")) or FAILED)[:MAX_CODE_CHARACTERS],
        message=message[:MAX_TEXT_CHARACTERS],
        traceback=traceback[-MAX_TEXT_CHARACTERS:] if traceback else None,
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value)
