"""The JSON documents of the dead letters: which are meant, what is told of one, and what became of a replay.

A dead letter is the record of a task that failed.

Forbidden here: I/O, imports of adapters.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from warren.client.documents import TaskDocument, json_value
from warren.errors import WarrenError
from warren.pool import POOL_NAME
from warren.record import Record, TaskError
from warren.tasks import TASK_NAME, is_json

MAX_PAGE: Final = 500
MAX_MANY: Final = 1000
"""How many dead letters one call may replay or discard."""

MAX_IDS: Final = 100
"""How many ids one call may name: as a query they still fit into the first line of any request."""

MAX_REPLAYS: Final = 5
"""How often in a row a task may be replayed and fail before only `force` replays it once more."""

Ids = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=255)], ...], Field(max_length=MAX_IDS)]


class DeadLetterFilter(BaseModel):
    """Which dead letters are meant: those that fit everything that is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: Annotated[str | None, Field(pattern=f"^{POOL_NAME.pattern}$", description="Those of tasks in this pool.")] = (
        None
    )
    task: Annotated[str | None, Field(pattern=TASK_NAME, description="Those of tasks with this name.")] = None
    code: Annotated[
        str | None, Field(min_length=1, description="Those that failed so: `exception`, `poison`, `timeout`, ...")
    ] = None

    @property
    def given(self) -> bool:
        """Whether it says anything."""
        return any(value is not None for value in (self.pool, self.task, self.code))

    def fits(self, record: Record) -> bool:
        """Tell whether the record is one of those that are meant."""
        found = (record.pool, record.name, record.error.code if record.error else None)
        wanted = (self.pool, self.task, self.code)
        return all(want in {None, have} for want, have in zip(wanted, found, strict=True))


class DeadLetterQuery(DeadLetterFilter):
    """A page of the dead letters."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="How many a page holds at most.")] = 50
    after: Annotated[str | None, Field(min_length=1, description="`next` of the page before.")] = None

    @property
    def filter(self) -> DeadLetterFilter:
        """Return what is meant, apart from where in the list to look."""
        return DeadLetterFilter(pool=self.pool, task=self.task, code=self.code)


class Replay(BaseModel):
    """How to replay. Whatever is not given is as it was the first time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: Annotated[
        str | None, Field(pattern=f"^{POOL_NAME.pattern}$", description="The pool to run in, if not the same again.")
    ] = None
    force: Annotated[
        bool, Field(description=f"Replay it even though it has been replayed {MAX_REPLAYS} times in a row.")
    ] = False


def _one_choice(value: ReplayMany | DiscardMany) -> None:
    if sum((bool(value.ids), value.filter.given or value.all)) != 1:
        message = "say which: some ids, or pool, task or code (what fits all of them), or all=true"
        raise ValueError(message)


class ReplayMany(Replay):
    """Which dead letters to replay, and how."""

    ids: Annotated[Ids, Field(description="These.")] = ()
    filter: Annotated[DeadLetterFilter, Field(description="Or those that it fits.")] = DeadLetterFilter()
    all: Annotated[bool, Field(description="Or every one.")] = False
    limit: Annotated[int, Field(ge=1, le=MAX_MANY, description="How many at most, the newest first.")] = 100

    @model_validator(mode="after")
    def _choice(self) -> Self:
        _one_choice(self)
        return self


class DiscardMany(BaseModel):
    """Which dead letters to discard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: Ids = ()
    filter: DeadLetterFilter = DeadLetterFilter()
    all: bool = False
    limit: Annotated[int, Field(ge=1, le=MAX_MANY)] = MAX_MANY

    @model_validator(mode="after")
    def _choice(self) -> Self:
        _one_choice(self)
        return self


class DeadLetter(TaskDocument):
    """A task that failed, as the list shows it."""

    payload_type: Annotated[str | None, Field(description="The payload's media type.")] = None
    payload_size: Annotated[
        int | None, Field(description="The payload's bytes; left out of one that lies in object storage.")
    ] = None
    replays: Annotated[int, Field(description="How many replays led to this task.")] = 0

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the document of a record, without the traceback."""
        return cls(**_known(record) | _listed(record))


class DeadLetterDetail(DeadLetter):
    """A task that failed, whole: its payload and the traceback of its error."""

    lapses: Annotated[int, Field(description="How often its consumer died of it.")] = 0
    payload: Annotated[Any, Field(description="The payload, where it is JSON and kept in the record.")] = None
    payload_base64: Annotated[str | None, Field(description="The payload, where it is anything else.")] = None
    payload_ref: Annotated[str | None, Field(description="Where in object storage a large payload lies.")] = None
    payload_url: Annotated[str | None, Field(description="Where the API gives a large payload.")] = None

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the document of a record."""
        more: dict[str, Any] = {"error": record.error} if record.error else {}
        if record.payload_ref is not None:
            more["payload_ref"] = record.payload_ref
        elif record.payload is not None:
            more |= _payload(record.payload, record.payload_type)
        return cls(**_known(record) | _listed(record) | more, lapses=record.lapses)


class DeadLetterPage(BaseModel):
    """Dead letters, the newest end first."""

    dead_letters: list[DeadLetter]
    next: Annotated[
        str | None,
        Field(
            description="`after` for the next page; absent after the last. A page may hold fewer than "
            "`limit`, none even, and not be the last: where few fit the filter, one call looks only so far."
        ),
    ] = None


class Fate(StrEnum):
    """What became of one dead letter in a call for many."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"
    SKIPPED = "skipped"
    """It is the same task as another in this call, whose replay it led to."""
    REFUSED = "refused"
    """It could not be done; `problem` says why."""


class Treated(BaseModel):
    """What became of one dead letter."""

    model_config = ConfigDict(frozen=True)

    id: str
    fate: Fate
    task_id: Annotated[str | None, Field(description="The new task, where it was replayed.")] = None
    problem: Annotated[TaskError | None, Field(description="Why it was refused.")] = None

    @classmethod
    def refused(cls, task_id: str, error: WarrenError) -> Self:
        """Return that a fault stood in the way."""
        return cls(id=task_id, fate=Fate.REFUSED, problem=TaskError(code=error.code, message=error.detail))


class Treatment(BaseModel):
    """What became of many."""

    results: list[Treated]
    more: Annotated[bool, Field(description="Whether there may be more that fit: ask again.")] = False

    def count(self, fate: Fate) -> int:
        """Return of how many this became."""
        return sum(result.fate is fate for result in self.results)


def _known(record: Record) -> dict[str, Any]:
    document = TaskDocument.of(record)
    return {name: getattr(document, name) for name in document.model_fields_set}


def _listed(record: Record) -> dict[str, Any]:
    error = TaskError(code=record.error.code, message=record.error.message) if record.error else None
    size = record.payload_size if record.payload is None else len(record.payload)
    values = {"error": error, "payload_type": record.payload_type, "payload_size": size, "replays": record.replays}
    return {name: value for name, value in values.items() if value is not None}


def _payload(body: bytes, kind: str | None) -> dict[str, Any]:
    if kind is not None and is_json(kind):
        try:
            return {"payload": json_value(body)}
        except ValueError:  # it may have failed for that very reason
            pass
    return {"payload_base64": base64.b64encode(body).decode()}
