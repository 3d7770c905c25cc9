"""The task: one unit of work, and what its submitter may ask for.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

import uuid_utils
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from warren.pool import POOL_NAME

JSON: Final = "application/json"
"""The content type of payloads and results that are JSON documents."""

MAX_MEDIA_TYPE: Final = 255
"""AMQP's limit, in characters: messages bear the types of payloads and results."""

_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+[ -~]*", re.ASCII)

MAX_INLINE_BYTES: Final = 1024 * 1024
"""Payloads and results over this size go to object storage and travel as a reference."""

MAX_DELAY_SECONDS: Final = 30 * 24 * 3600
"""The longest delay that the ladder of delay queues carries: 30 days."""

TASK_NAME: Final = r"^[a-zA-Z][a-zA-Z0-9_-]{0,62}$"
"""A task's name is one word of an event's routing key."""


class Priority(StrEnum):
    """How urgent a task is among its queue's others. RabbitMQ 3.10 ignores it on quorum queues."""

    NORMAL = "normal"
    HIGH = "high"

    @property
    def amqp(self) -> int:
        """The AMQP priority: quorum queues of RabbitMQ 4.0 treat 5 and more as high."""
        return 5 if self is Priority.HIGH else 0


class CallbackEvent(StrEnum):
    """What a callback may be told of: how the task ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


def _without_user(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        message = "a callback's URL holds no user and no password; the webhook is signed instead"
        raise ValueError(message)
    return url


def _at_least_one(events: tuple[CallbackEvent, ...]) -> tuple[CallbackEvent, ...]:
    if not events:
        message = "a callback is told of one end at least; leave callback_events out for all of them"
        raise ValueError(message)
    return events


class TaskOptions(BaseModel):
    """What a submitter may ask for beyond the work itself. Unknown options are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    callback_url: Annotated[HttpUrl, AfterValidator(_without_user)] | None = None
    """Where the system pool reports the task's end."""
    callback_events: Annotated[
        tuple[CallbackEvent, ...], Field(max_length=len(CallbackEvent)), AfterValidator(_at_least_one)
    ] = (*CallbackEvent,)
    """Which ends are reported there."""
    priority: Priority = Priority.NORMAL
    delay_seconds: Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS)] = 0
    """How long the task waits before a consumer may start it."""
    timeout_seconds: Annotated[float, Field(gt=0, le=MAX_DELAY_SECONDS)] | None = None
    """How long one attempt may run."""
    expires_seconds: Annotated[float, Field(gt=0, le=MAX_DELAY_SECONDS)] | None = None
    """How long after its submission the task may still be started."""
    max_attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many failed attempts end the task as failed; None leaves it to the task's own definition."""
    pool: Annotated[str, Field(pattern=f"^{POOL_NAME.pattern}$")] | None = None
    """The pool to run in; None leaves it to the task's own definition."""


def is_media_type(text: str) -> bool:
    """Tell whether a text can be a content type, in a message and in an answer."""
    return len(text) <= MAX_MEDIA_TYPE and _MEDIA_TYPE.fullmatch(text) is not None


def is_json(content_type: str) -> bool:
    """Tell whether a content type is JSON's, in whatever case and with whatever parameters."""
    return content_type == JSON or content_type.partition(";")[0].strip().lower() == JSON


def new_task_id() -> str:
    """Return a new UUIDv7 (RFC 9562): unique, and ordered by its time of creation."""
    return str(uuid_utils.uuid7())


def replay_id(task_id: str, ended_at: float) -> str:
    """Return the id of the task that replays one which failed at that time: a UUIDv7, and always the same.

    So whoever replays it at the same moment, or after a process that died half-way through, submits the same task.
    """
    random = int.from_bytes(hashlib.sha256(f"replay of {task_id}".encode()).digest()[:10])
    number = (round(ended_at * 1000) << 80 | random) & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(UUID(int=number))


@dataclass(frozen=True, slots=True)
class Payload:
    """A task's input, or its result: raw bytes and what they are. Nothing is wrapped around them."""

    body: bytes = b"{}"
    content_type: str = JSON
    reference: str | None = None
    """Where a large body lies in object storage; `body` is empty then, and `sha256` is given."""
    sha256: str | None = None
    """The SHA-256 of a body in object storage, in hexadecimal."""


@dataclass(slots=True)
class Task:
    """One unit of work, as it is submitted. Nobody changes one; see `Message` for why it is not frozen."""

    name: str
    pool: str
    payload: Payload = field(default_factory=Payload)
    options: TaskOptions = field(default_factory=TaskOptions)
    id: str = field(default_factory=new_task_id)
    model: str | None = None
    """The model that a `predict` task is for, so that its payload can stay raw bytes (an image, say)."""
    owner: str | None = None
    """The MLJob that owns the task's record (`mljob/<namespace>/<name>/<uid>`); owned records are never swept."""
    caller: str | None = None
    """The name of the API key that it was submitted with, whose task it is; None where no key was asked for."""
    idempotency_key: str | None = None
    """A word of the caller's: each caller has its own."""
    reply_to: str | None = None
    """The queue that a reply is published to when the task ends."""
    traceparent: str | None = None
    replay_of: str | None = None
    """The failed task that this one was made from."""
    replays: int = 0
    """How many replays lie between the task that was first submitted and this one."""
    deadline: float | None = None
    """When the task expires, in seconds since the epoch by the store's clock, as its message says; None before it was
    published, or without an expiry."""
