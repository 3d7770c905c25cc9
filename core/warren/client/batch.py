"""Many tasks in one call, each accepted or refused for itself.

Their records and confirms are pipelined; between them the event loop goes on with whatever else there is.

Forbidden here: HTTP, imports of adapters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator

from warren.client.documents import TaskRequest, json_bytes
from warren.client.intake import MAX_KEY, Order
from warren.client.problem import InvalidFieldsError, Problem
from warren.errors import UnavailableError, WarrenError
from warren.record import Record, State

if TYPE_CHECKING:
    from warren.client.intake import Intake

MOST_ITEMS: Final = 10_000
"""How many tasks one call may bring."""

CALL_ITEMS: Final = 1000
CALL_BYTES: Final = 4 * 1024 * 1024
"""Into how many tasks, and bytes, the client splits what it is given for one call: well under the API's limits."""

MOST_AT_ONCE: Final = 128
"""How many tasks of a batch are on their way to the store and the broker at one time."""

READ_AT_ONCE: Final = 20
"""How many items are checked before others get their turn: about a millisecond's work."""

MAX_BATCH_KEY: Final = MAX_KEY - len(f"/{MOST_ITEMS}")

Accepted = TypeVar("Accepted")
Fate: TypeAlias = Accepted | WarrenError
"""What became of an item: accepted, or why not."""


class BatchItem(TaskRequest):
    """A task of a batch."""

    idempotency_key: Annotated[
        str | None,
        Field(min_length=1, max_length=MAX_KEY, description="This task's own key, in place of the batch's."),
    ] = None


def _as_it_is(value: Any, _: object) -> Any:  # noqa: ANN401 - whatever was sent
    return value


_CheckedLater: Final = WrapValidator(_as_it_is)
"""To check thousands of items in one go would keep everybody else waiting."""


class BatchRequest(BaseModel):
    """Tasks to be done. Each is checked by itself, so that one that is wrong leaves the others be."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tasks": [
                        {"task": "audio_length", "args": {"url": "https://example.com/a.mp3"}},
                        {"task": "audio_length", "args": {"url": "https://example.com/b.mp3"}, "idempotency_key": "b"},
                    ]
                }
            ]
        },
    )

    # To the API's description, too, an item may be anything: it is refused by itself.
    tasks: Annotated[list[Annotated[BatchItem | Any, _CheckedLater]], Field(min_length=1, max_length=MOST_ITEMS)]


class AcceptedItem(BaseModel):
    """A task of a batch that was accepted."""

    id: Annotated[str, Field(description="The task's id; it is read at `/v1/tasks/{id}`.")]
    task: str
    pool: str
    status: State


class RefusedItem(BaseModel):
    """A task of a batch that was not accepted."""

    index: Annotated[int, Field(description="Its place in the batch, from 0.")]
    error: Annotated[Problem, Field(description="Why; a 503 may be sent again, anything else would be refused again.")]


class BatchAnswer(BaseModel):
    """What became of each task of a batch, in their order."""

    tasks: list[AcceptedItem | RefusedItem]
    accepted: Annotated[int, Field(description="How many were accepted.")]
    refused: Annotated[int, Field(description="How many were not.")]


class BatchRefusedError(WarrenError):
    """Some tasks of a batch were refused; the others were accepted."""

    def __init__(self, refused: Mapping[int, WarrenError], accepted: Mapping[int, str]) -> None:
        index, first = next(iter(refused.items()))
        count = len(refused) + len(accepted)
        super().__init__(f"{len(refused)} of {count} tasks were refused; number {index}, the first: {first.detail}")
        self.refused = refused
        """Why, by place in the batch."""
        self.accepted = accepted
        """The ids of the others, by place in the batch."""


def packed(items: Mapping[int, BatchItem], most: Callable[[], int]) -> Iterator[tuple[list[int], bytes]]:
    """Split items into bodies of batches that are neither long nor large; each comes with its items' places.

    `most` tells how many items the next one may have.
    """
    places: list[int] = []
    texts: list[bytes] = []
    size = 0
    for place, item in items.items():
        text = json_bytes(item.model_dump(mode="json", exclude_unset=True))
        if texts and (len(texts) >= most() or size + len(text) > CALL_BYTES):
            yield places, _body(texts)
            places, texts, size = [], [], 0
        places.append(place)
        texts.append(text)
        size += len(text)
    if texts:
        yield places, _body(texts)


def _body(texts: Sequence[bytes]) -> bytes:
    return b'{"tasks":[%b]}' % b",".join(texts)


def accepted(fates: Sequence[Fate[str]]) -> list[str]:
    """Return the ids of a batch's tasks.

    Raises:
        BatchRefusedError: not all were accepted.

    """
    refused = {place: fate for place, fate in enumerate(fates) if isinstance(fate, WarrenError)}
    ids = {place: fate for place, fate in enumerate(fates) if isinstance(fate, str)}
    if refused:
        raise BatchRefusedError(refused, ids)
    return list(ids.values())


class Batches:
    """Brings batches of tasks into their pools' queues."""

    def __init__(self, intake: Intake, *, reply: bool = False) -> None:
        self._intake = intake
        self._reply = reply

    async def submit(self, items: Sequence[object], key: str | None = None) -> list[Fate[Record]]:
        """Accept each item that can be; return the fates in order. Nobody's fault is raised.

        The idempotency key of an item without one is `<key>/<its index>`, so that a whole batch may be repeated.
        """
        run = _Run(self._intake, len(items), reply=self._reply)
        async with asyncio.TaskGroup() as group:
            for index, item in enumerate(items):
                if index % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
                await run.begin(group, index, item, None if key is None else f"{key}/{index}")
        return run.fates


class _Run:
    """One batch under way."""

    def __init__(self, intake: Intake, count: int, *, reply: bool) -> None:
        self._intake = intake
        self._reply = reply
        self._room = asyncio.Semaphore(MOST_AT_ONCE)
        self._away: dict[str, UnavailableError] = {}
        self.fates: list[Fate[Record]] = [WarrenError("not begun")] * count

    async def begin(self, group: asyncio.TaskGroup, index: int, item: object, key: str | None) -> None:
        """Send an item on its way once there is room, or refuse it."""
        try:
            request = _read(item)
            pool = self._intake.pool(request).name
        except WarrenError as error:
            self.fates[index] = error
            return
        await self._room.acquire()
        if pool in self._away:  # else each in turn would wait for what is away
            self.fates[index] = self._away[pool]
            self._room.release()
        else:
            order = Order(key=request.idempotency_key or key, reply=self._reply)
            group.create_task(self._submit(index, request, pool, order))

    async def _submit(self, index: int, request: BatchItem, pool: str, order: Order) -> None:
        try:
            self.fates[index] = await self._intake.submit(request, order)
        except UnavailableError as error:
            self._away[pool] = self.fates[index] = error
        except WarrenError as error:
            self.fates[index] = error
        finally:
            self._room.release()


def _read(item: object) -> BatchItem:
    try:
        return BatchItem.model_validate(item)
    except ValidationError as error:
        raise InvalidFieldsError.of(error) from error
