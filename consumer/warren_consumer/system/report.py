"""What a worker that is not Python's says about a task: the message that it publishes to `warren.results`.

`docs/protocol.md` is this module for people.

Forbidden here: I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from warren.errors import InvalidRequestError, UnknownProtocolError
from warren.message import STATE_HEADER, check_protocol
from warren.record import MAX_TEXT_CHARACTERS, Progress, State, TaskError
from warren.tasks import JSON, TASK_NAME, Payload

if TYPE_CHECKING:
    from warren.message import Message

POOL_HEADER: Final = "warren-pool"
REPORT_HEADER: Final = "warren-report"
"""The report's own id, by which one that comes twice is known."""
FAILED: Final = "failed"
"""The code of a failure whose worker named none."""
MAX_CODE_CHARACTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Report:
    """How a task goes, or went."""

    task_id: str
    name: str | None
    pool: str | None
    reply_to: str | None
    result: Payload
    state: State
    """How it ended: succeeded, failed or expired. Or started: its worker has begun, or tells of its progress."""
    error: TaskError | None = None
    """Why it failed; None where it did not."""
    progress: Progress | None = None
    report_id: str | None = None
    """Tells this report from the task's others; None where its worker gave it no id."""


def read(message: Message) -> Report:
    """Return what the message says.

    Raises:
        InvalidRequestError: it does not say which task it is of, or how that went, or its own id is none.

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
        report_id=_report_id(message),
        **_fate(message),
    )


def _report_id(message: Message) -> str | None:
    said = message.headers.get(REPORT_HEADER)
    if said is not None and not re.fullmatch(r"[!-~]{1,64}", str(said)):
        raise InvalidRequestError(f"the header {REPORT_HEADER} is {said!r}; it holds 1 to 64 visible ASCII characters")
    return None if said is None else str(said)


def _fate(message: Message) -> dict[str, Any]:
    """Return what the message says of the task's fate, as fields of a report."""
    try:
        check_protocol(message)
    except UnknownProtocolError as error:  # the worker is done with its task: without a word it would be lost
        return {"state": State.FAILED, "error": TaskError(code=error.code, message=error.detail)}
    match message.headers.get(STATE_HEADER, State.SUCCEEDED.value):
        case (State.SUCCEEDED.value | State.EXPIRED.value) as state:
            return {"state": State(state)}
        case State.FAILED.value:
            return {"state": State.FAILED, "error": describe(message.body)}
        case State.STARTED.value:
            return {"state": State.STARTED, "progress": _progress(message.body)}
        case other:
            detail = f"the header {STATE_HEADER} is {other!r}; a worker says started, succeeded, failed or expired"
            raise InvalidRequestError(detail)


def _progress(body: bytes) -> Progress | None:
    if not body:
        return None
    try:
        return Progress.model_validate_json(body)
    except ValidationError as error:
        detail = 'progress is a JSON document: {"fraction": 0.5, "message": "half of it"}, fraction from 0 to 1'
        raise InvalidRequestError(detail) from error


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
