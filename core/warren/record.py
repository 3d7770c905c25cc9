"""The record: what is known about a task, and what a store of records answers.

A record is the truth about a task. It ends in exactly one terminal state; only the holder of its newest fence may
write.

Forbidden here: I/O, clocks, imports of adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeAlias

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from warren.tasks import Payload


class State(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    STARTED = "started"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether nothing can change any more."""
        return self in TERMINAL


TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELED, State.EXPIRED})


def _storable(text: object) -> object:
    """Python's texts may hold what no UTF-8 can, the name of a file for one, which an exception then tells."""
    return text.encode(errors="backslashreplace").decode() if isinstance(text, str) else text


Text: TypeAlias = Annotated[str, BeforeValidator(_storable)]
"""Words of somebody else's."""


MAX_TEXT_CHARACTERS: Final = 16_384
"""A record is no log: of a longer message the beginning is kept, of a longer traceback the end."""


def _beginning(text: str) -> str:
    return text[:MAX_TEXT_CHARACTERS]


class TaskError(BaseModel):
    """Why an attempt failed."""

    model_config = ConfigDict(frozen=True)

    code: Text
    """A stable word for programs: `exception`, `timeout`, `poison`, `invalid-payload`, `dataset-not-found`, ..."""
    message: Text
    """A sentence for people."""
    traceback: Text | None = None


class Progress(BaseModel):
    """How far a running task has come."""

    model_config = ConfigDict(frozen=True)

    fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    message: Annotated[Text, AfterValidator(_beginning)] | None = None
    """A word for people; what is longer than a record's texts may be is cut."""


class Record(BaseModel):
    """A task's record. Times are seconds since the epoch, by the store's clock."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    pool: str
    state: State
    accepted: bool = False
    """Whether the broker confirmed the message; a record never accepted is swept after five minutes."""
    held: bool = False
    """Whether its MLJob is suspended: a claim acks the message, a renewal hands back."""
    owner: str | None = None
    caller: str | None = None
    """The name of the API key whose task it is."""
    model: str | None = None
    priority: str = "normal"
    idempotency_key: str | None = None
    max_attempts: int | None = None
    timeout_seconds: float | None = None
    attempt: int = 0
    """The number of the newest attempt, from 1; 0 before the first."""
    failures: int = 0
    suspect: bool = False
    """Whether a lease on it ran out without a word, so that only a consumer that holds nothing else may claim it."""
    lapses: int = 0
    """How often that happened while the consumer held nothing else: it died of this task. Three are poison."""
    fence: int = 0
    consumer: str | None = None
    lease_until: float | None = None
    """When the present lease ends; None when no consumer holds one."""
    submitted_at: float | None = None
    started_at: float | None = None
    """When the newest attempt was started."""
    running_seconds: float = 0.0
    """Time spent in attempts and before hand-backs, so that deadlines count running time alone."""
    finished_at: float | None = None
    due_at: float | None = None
    """Before this time no attempt may start (a retry, a delay)."""
    expires_at: float | None = None
    changed_at: float | None = None
    """When a lease last ended, a submission was last tried again, or the like; None if nothing of the kind happened."""
    progress: Progress | None = None
    error: TaskError | None = None
    result: bytes | None = None
    result_type: str | None = None
    result_ref: str | None = None
    """Where a large result lies in object storage."""
    reply_to: str | None = None
    callback_url: str | None = None
    callback_events: tuple[str, ...] | None = None
    """Which ends are reported to the callback; None without one."""
    payload: bytes | None = None
    """Kept for a failed task, so that it can be replayed."""
    payload_size: int | None = None
    """How many bytes the payload has, where a page of the dead letters leaves it out."""
    payload_type: str | None = None
    payload_ref: str | None = None
    """Where a large payload lies in object storage; kept in place of `payload`."""
    payload_sha256: str | None = None
    replay_of: str | None = None
    """The failed task that this one was made from."""
    replays: int = 0
    """How many replays lie between the task that was first submitted and this one."""
    replayed_as: str | None = None
    """The task that was made from this one, which failed."""
    now: float = 0.0
    """The store's clock when the record was read."""

    @property
    def leased(self) -> bool:
        """Whether a consumer holds a live lease."""
        return self.state is State.STARTED and self.lease_until is not None and self.lease_until > self.now

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a reply. A webhook is another matter: the step that ends the task lists it."""
        return self.reply_to is not None

    def document_json(self) -> bytes:
        """Return what an API's user sees of the record, but for its result, whose form the caller knows."""
        shown = {name: value for name in _SHOWN if (value := getattr(self, name)) is not None}
        return orjson.dumps(shown, default=_plain)  # a third of what pydantic takes for it, twice for each task


_INNER: Final = {
    "accepted",
    "held",
    "suspect",
    "owner",
    "fence",
    "lease_until",
    "changed_at",
    "replays",
    "result",
    "payload",
    "payload_size",
    "payload_type",
    "payload_ref",
    "payload_sha256",
    "now",
    "reply_to",
    "idempotency_key",
    "result_ref",
    "result_type",
}
_SHOWN: Final = tuple(name for name in Record.model_fields if name not in _INNER)


def _plain(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(exclude_none=True)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute a task: every write that it makes goes with its fence."""

    task_id: str
    fence: int
    attempt: int


class Verdict(StrEnum):
    """What a consumer does with a delivery, decided by one step in the store."""

    CLAIMED = "claimed"
    """Execute it: the claim holds a lease."""
    ADOPTED = "adopted"
    """This very consumer still works on it (the broker redelivered after a blip): the new delivery replaces the old."""
    ENDED = "ended"
    """The record is terminal: ack."""
    HELD = "held"
    """The task's MLJob is suspended: ack; resuming publishes it again."""
    EARLY = "early"
    """Not due yet: put it back for `wait_seconds`."""
    BUSY = "busy"
    """Another consumer holds a live lease: put it back for `wait_seconds`."""
    ALONE = "alone"
    """A lease on it lapsed: only a consumer that holds nothing else may claim it."""
    POISON = "poison"
    """Its third lease lapsed: the record has just ended as failed; reply, then ack."""
    EXPIRED = "expired"
    """Its time to be started has passed: the record has just ended as expired; reply, then ack."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim."""

    verdict: Verdict
    record: Record
    lease: Lease | None = None
    """Present when the verdict is CLAIMED or ADOPTED."""
    wait_seconds: float = 0.0


class Renewal(StrEnum):
    """The answer to a heartbeat."""

    RENEWED = "renewed"
    HAND_BACK = "hand-back"
    """The record is held (its MLJob was suspended): checkpoint, hand back and ack."""
    LOST = "lost"
    """The record ended (canceled, say) or a newer fence exists: stop the work."""


class Submission(StrEnum):
    """The answer to writing a new record."""

    CREATED = "created"
    """It is new: publish the message."""
    UNACCEPTED = "unaccepted"
    """It exists but the broker never confirmed: publish again under the same id."""
    ACCEPTED = "accepted"
    """It exists and was accepted: nothing to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, as a terminal state with what belongs to it."""

    state: State
    result: bytes | None = None
    result_type: str | None = None
    result_ref: str | None = None
    error: TaskError | None = None
    payload: bytes | None = None
    payload_type: str | None = None
    payload_ref: str | None = None
    payload_sha256: str | None = None

    @classmethod
    def failed(cls, error: TaskError, payload: Payload) -> Self:
        """Return how a task ends that failed: with its payload, or with where that lies, so that it can be replayed."""
        return cls(
            State.FAILED,
            error=error,
            payload=payload.body if payload.reference is None else None,
            payload_type=payload.content_type,
            payload_ref=payload.reference,
            payload_sha256=payload.sha256 if payload.reference else None,
        )


class End(StrEnum):
    """The answer to a result that was published by a worker without a lease."""

    ENDED = "ended"
    """The record has just ended so."""
    ALREADY = "already"
    """It had ended before: nothing was changed."""
    LEASED = "leased"
    """A consumer holds a live lease: nothing was changed."""


class Note(StrEnum):
    """The answer to what a worker without a lease says of its work."""

    BEGUN = "begun"
    """The record has just become `started`, or another attempt of it has begun."""
    NOTED = "noted"
    """Its progress was changed."""
    ALREADY = "already"
    """It had ended before: nothing was changed."""
    LEASED = "leased"
    """A consumer holds a live lease: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one look at the open records found and did."""

    looked: int
    """How many records were looked at; as many as the limit means that more may be waiting to be."""
    deleted: list[str] = field(default_factory=list)
    """The ids of records that were never accepted."""
    expired: list[str] = field(default_factory=list)
    """The ids of records that have just ended as expired; they are due."""
    stale: list[Record] = field(default_factory=list)
    """Records that seem to have been forgotten: accepted and due, without a lease, unchanged for long."""


@dataclass(frozen=True, slots=True)
class DeadPage:
    """A page of the dead letters, the newest end first."""

    records: list[Record]
    next: str | None = None
    """Where the next page begins; None when this was the last."""
