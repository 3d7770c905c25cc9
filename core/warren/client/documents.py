"""The JSON documents of the HTTP API: what a submitter sends, and what is told about a task.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json

from warren.errors import InvalidResultError, WarrenError
from warren.message import LAST_DEADLINE
from warren.record import Progress, Record, State, TaskError
from warren.tasks import JSON, TASK_NAME, Payload, TaskOptions, is_json

_PLAIN = (
    "id",
    "pool",
    "attempt",
    "failures",
    "max_attempts",
    "timeout_seconds",
    "priority",
    "caller",
    "model",
    "consumer",
    "progress",
    "error",
    "replay_of",
    "replayed_as",
)
_TIMES = ("submitted_at", "started_at", "finished_at", "due_at", "expires_at")


MOST_FIELDS: Final = 100
"""How many fields a request and its options may have together: far more than there are."""


def json_value(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON as it is written: integers of any size are whole, and no number becomes another.

    Raises:
        ValueError: it is not JSON, or a number in it is beyond a float's range.

    """
    value = from_json(text, allow_inf_nan=False)
    if not _finite(value):
        raise ValueError("it holds a number beyond the range of floats")
    return value


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return a value as JSON; NaN and infinity, which JSON has not, are refused instead of becoming null.

    Raises:
        ValueError: it is not JSON; the message says why.

    """
    try:
        data = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:  # of orjson: anything that it cannot write
        message = f"not JSON: {error}"
        raise ValueError(message) from error
    if b"null" in data and _holds_nonfinite(value):
        message = "not JSON: it holds NaN or infinity"
        raise ValueError(message)
    return data


def _holds_nonfinite(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return any(map(_holds_nonfinite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_nonfinite, value))
    return isinstance(value, float) and not math.isfinite(value)


def _as_json(args: dict[str, Any]) -> dict[str, Any]:
    json_bytes(args)
    return args


def _finite(value: object) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_finite, value.values()))
        case list():
            return all(map(_finite, value))
        case _:
            return True


class TaskRequest(BaseModel):
    """A task to be done."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "task": "audio_length",
                    "args": {"url": "https://example.com/a.mp3"},
                    "options": {"timeout_seconds": 30},
                },
                {
                    "task": "train",
                    "args": {
                        "trainer": "sklearn",
                        "dataset": {"uri": "s3://warren/datasets/iris.csv", "target": "species"},
                        "parameters": {"estimator": "LogisticRegression"},
                        "model": {"name": "iris", "promote": "accuracy >= 0.9"},
                    },
                },
            ]
        },
    )

    task: Annotated[str, Field(pattern=TASK_NAME, description="The task's name.")]
    args: Annotated[dict[str, Any], AfterValidator(_as_json), Field(description="The task's arguments, by name.")] = (
        Field(default_factory=dict)
    )
    options: Annotated[TaskOptions, Field(description="What is asked for beyond the work itself.")] = TaskOptions()

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:  # noqa: ANN401 - anything may be sent
        """Refuse a mass of unknown fields at once: to name each of a million takes seconds."""
        if isinstance(value, dict):
            options = value.get("options")
            count = len(value) + (len(options) if isinstance(options, dict) else 0)
            if count > MOST_FIELDS:
                message = f"{count} fields are too many; a task has `task`, `args` and `options`"
                raise ValueError(message)
        return value


class TaskDocument(BaseModel):
    """What is known about a task. Fields that do not apply (yet) are left out."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21",
                    "task": "audio_length",
                    "pool": "cpu",
                    "status": "succeeded",
                    "attempt": 1,
                    "failures": 0,
                    "priority": "normal",
                    "result": 182.4,
                    "result_type": "application/json",
                    "submitted_at": "2026-11-21T08:00:00Z",
                    "started_at": "2026-11-21T08:00:00.010000Z",
                    "finished_at": "2026-11-21T08:00:00.250000Z",
                }
            ]
        },
    )

    id: Annotated[str, Field(description="The task's id, a UUIDv7.")]
    task: Annotated[str, Field(description="The task's name.")]
    pool: Annotated[str, Field(description="The pool whose consumers do it.")]
    status: Annotated[State, Field(description="Where it stands. succeeded, failed, canceled and expired are final.")]
    attempt: Annotated[int, Field(description="The number of the newest attempt; 0 before the first.")] = 0
    failures: Annotated[int, Field(description="How many attempts have failed.")] = 0
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    priority: str = "normal"
    caller: Annotated[str | None, Field(description="The API key that it was submitted with.")] = None
    model: Annotated[str | None, Field(description="The model that a prediction is for.")] = None
    consumer: Annotated[str | None, Field(description="Who works, or worked, on it.")] = None
    progress: Annotated[Progress | None, Field(description="How far the running attempt has come.")] = None
    result: Annotated[
        Any,
        Field(
            description="The result of a task that succeeded: a JSON value, or base64 of the "
            "bytes where `result_type` is not application/json."
        ),
    ] = None
    result_type: Annotated[str | None, Field(description="The result's media type.")] = None
    result_url: Annotated[
        str | None, Field(description="Where the result is read, in place of `result`, where it is a large one.")
    ] = None
    error: Annotated[TaskError | None, Field(description="Why it failed, or why the last attempt did.")] = None
    replay_of: Annotated[str | None, Field(description="The failed task that this one was made from.")] = None
    replayed_as: Annotated[str | None, Field(description="The task that was made from this one, which failed.")] = None
    submitted_at: datetime | None = None
    started_at: Annotated[datetime | None, Field(description="When the newest attempt was started.")] = None
    finished_at: datetime | None = None
    due_at: Annotated[datetime | None, Field(description="Before this time no attempt is started.")] = None
    expires_at: Annotated[datetime | None, Field(description="After this time it is no longer started.")] = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the document of a record."""
        values: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
        values |= {name: _time(getattr(record, name)) for name in _TIMES}
        present = {name: value for name, value in values.items() if value is not None}
        if record.state is State.SUCCEEDED:
            present |= _result_of(record)
        return cls(task=record.name, status=record.state, **present)

    def json_bytes(self) -> bytes:
        """Return the document as JSON, without the fields that do not apply."""
        return self.model_dump_json(exclude_unset=True).encode()

    def with_result(self, result: Payload) -> Self:
        """Return the document with a result in it.

        Raises:
            InvalidResultError: it is said to be JSON, and cannot be read as such.

        """
        return self.model_copy(update=_result(result))

    def value(self) -> Any:  # noqa: ANN401 - a result is whatever the task returned
        """Return the result: the JSON value, or bytes where it is of another type.

        Raises:
            WarrenError: it is a large one, which is not in the document.

        """
        if self.result_url is not None and self.result is None:
            raise WarrenError(f"the result is a large one, at {self.result_url}: a job's `get` reads it")
        if is_json(self.result_type or JSON):
            return self.result
        return base64.b64decode(self.result)


def inline_result(record: Record) -> Payload:
    """Return the result that a record holds itself: nothing at all is null in JSON, and no bytes of another type."""
    kind = record.result_type or JSON
    return Payload(record.result or (b"null" if is_json(kind) else b""), kind)


def _result_of(record: Record) -> dict[str, Any]:
    if record.result_ref is not None:
        return {"result_url": f"/v1/tasks/{record.id}/result", "result_type": _told(record.result_type or JSON)}
    return _result(inline_result(record))


def result_value(payload: Payload) -> Any:  # noqa: ANN401 - a result is whatever the task returned
    """Return a result: the JSON value, or bytes where it is of another type.

    Raises:
        InvalidResultError: it is said to be JSON, and cannot be read as such.

    """
    if not is_json(payload.content_type):
        return payload.body
    try:
        return from_json(payload.body)
    except ValueError as error:
        raise InvalidResultError(f"the result is not JSON that can be read: {error}") from error


def _result(payload: Payload) -> dict[str, Any]:
    value = result_value(payload)
    told = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return {"result": told, "result_type": _told(payload.content_type)}


def _told(kind: str) -> str:
    """Return the media type as a document has it: JSON's without its parameters, which mean nothing."""
    return JSON if is_json(kind) else kind


def _time(seconds: float | None) -> datetime | None:
    """Return the time; one past all years, as a store may hold of a former release's making, as the last there is."""
    return None if seconds is None else datetime.fromtimestamp(min(seconds, LAST_DEADLINE), UTC)
