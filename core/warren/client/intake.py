"""Requests into tasks, tasks into ended records: what the producer and the direct client are both built on.

Forbidden here: HTTP, imports of adapters.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ValidationError

from warren.client.caller import ByCaller
from warren.client.documents import json_bytes
from warren.client.problem import InvalidFieldsError
from warren.client.routing import choose_pool
from warren.client.task_type import TaskTypes
from warren.errors import (
    InvalidRequestError,
    OverloadedError,
    RecordsUnavailableError,
    TaskNotFoundError,
    UnavailableError,
)
from warren.message import cut
from warren.model import PREDICT_TASK
from warren.prediction import ModelReference, PredictRequest
from warren.record import State
from warren.tasks import JSON, Payload, Task, TaskOptions, is_json, is_media_type

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from warren.client.catalog import Catalog
    from warren.client.documents import TaskRequest
    from warren.client.view import View
    from warren.client.watch import Gone, Watch
    from warren.pool import Pool
    from warren.record import Record
    from warren.records import Records
    from warren.submission import Submitter

Admit: TypeAlias = "Callable[[str, float], None]"
"""Raises `OverloadedError` where what comes to the pool of this name would wait for longer than these seconds."""

Changes: TypeAlias = tuple["Record", "AsyncIterator[Record | None]"]
"""A task as it stands, and as it changes."""

MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Order:
    """How a task is to be submitted."""

    key: str | None = None
    """The idempotency key."""
    wait_seconds: float = 0
    """How long to wait for the task's end."""
    reply: bool = False
    """Whether somebody may wait later, so that a reply is worth its message."""
    gone: Gone | None = None
    """When nobody waits any more."""


class Intake(ByCaller):
    """Accepts tasks and predictions, and tells how they stand."""

    def __init__(  # noqa: PLR0913, PLR0917 - one parameter per port
        self,
        submitter: Submitter,
        records: Records,
        watch: Watch,
        catalog: Catalog,
        pools: Sequence[Pool],
        types: TaskTypes | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Take the parts; `types` are the kinds of tasks whose pools and arguments are known here.

        `admit` is asked before a prediction that somebody waits for is accepted.
        """
        self._submitter = submitter
        self._records = records
        self._watch = watch
        self._catalog = catalog
        self._pools = pools
        self._types = types or TaskTypes()
        self._admit = admit

    async def submit(self, request: TaskRequest, order: Order) -> Record:
        """Accept a task; return its record, ended if that came about within the order's seconds.

        Raises:
            InvalidRequestError: arguments, pool or key are wrong; nothing was accepted.
            UnavailableError: the broker, its queue or the records are away; it is not known to be accepted.

        """
        if request.task == PREDICT_TASK:
            raise InvalidRequestError("predictions are for a model: POST /v1/models/<model>/predict, or Client.predict")
        self._types.check(request)
        pool = self.pool(request)
        record = await self._accept(Payload(json_bytes(request.args)), request.task, pool, request.options, order)
        # It is accepted: whoever cannot wait for it learns that, and not of a fault that asks for another try.
        with suppress(UnavailableError, TaskNotFoundError):
            return await self._ended(record, order)
        return record

    def pool(self, request: TaskRequest) -> Pool:
        """Return the pool that a task goes to.

        Raises:
            WrongPoolError: there is no such pool, or it is of the wrong kind.

        """
        usual = self._types.usual_pool(request.task)
        return choose_pool(request.task, self._pools, wanted=request.options.pool, usual=usual)

    async def predict(self, model: str, payload: Payload, seconds: float | None, order: Order) -> Record:
        """Accept a prediction; return its record, ended if that came about within the order's seconds.

        `seconds` is its time limit: it expires unstarted, or fails with `timeout` when it has started.

        Raises:
            ModelNotFoundError: there is no such model; nothing was accepted.
            OverloadedError: it would wait for longer than that; nothing was accepted.
            InvalidRequestError: the payload is neither a `PredictRequest` nor an image.
            RateLimitedError: the caller waits for its share of tasks already; nothing was accepted.
            UnavailableError: as for `submit`, or it cannot be waited for: it has no effect but its answer.

        """
        _check_inputs(payload)
        reference = ModelReference.parse(model)
        pool = choose_pool(PREDICT_TASK, self._pools, usual=await self._catalog.pool(reference))
        if seconds is not None:
            self._check_load(pool, seconds)
            self._watch.require_room(self._caller.name)
        options = TaskOptions(timeout_seconds=seconds, expires_seconds=seconds)
        record = await self._accept(payload, PREDICT_TASK, pool, options, order, model=str(reference))
        try:
            return await self._ended(record, order)
        except TaskNotFoundError as error:
            message = "the prediction's record is gone: the store was emptied meanwhile"
            raise RecordsUnavailableError(message) from error

    async def read(self, task_id: str, *, wait_seconds: float = 0, gone: Gone | None = None) -> Record:
        """Return a task's record, when it has ended or when the seconds are over, or with `gone`.

        Raises:
            TaskNotFoundError: there is no such task.

        """
        return await self._watch.wait(task_id, wait_seconds, self._caller, gone)

    @asynccontextmanager
    async def follow(self, task_id: str, *, idle_seconds: float) -> AsyncIterator[Changes]:
        """Give a task's record as it stands, and then at each change until it has ended.

        Among the changes is None after `idle_seconds` without one. Those that follow upon each other within moments are
        shown as the last of them. They end early when the record is gone or the process closes.

        Raises:
            TaskNotFoundError: there is no such task.
            UnavailableError: there are too many viewers already, or something that is needed is away.

        """
        async with self._watch.follow(task_id, self._caller) as view:
            await view.changed(0)
            yield view.record, self._changes(view, view.record, idle_seconds)

    async def cancel(self, task_id: str) -> Record:
        """Cancel a task and return its record; a task that has ended stays as it is.

        Raises:
            TaskNotFoundError: there is no such task.

        """
        if not self._caller.sees_all:
            await self.read(task_id)
        record = await self._records.cancel(task_id)
        if record is None:
            raise TaskNotFoundError(f"no task has the id {task_id!r}")
        if record.state is State.CANCELED:
            self._submitter.tell(record)
        self._watch.tell(task_id)
        return record

    async def _changes(self, view: View, record: Record, idle_seconds: float) -> AsyncIterator[Record | None]:
        while not record.state.terminal:
            news = await view.changed(idle_seconds)
            if view.over and not view.record.state.terminal:
                return
            if news:
                record = view.record
            yield record if news else None

    def _check_load(self, pool: Pool, seconds: float) -> None:
        if self._admit is None:
            return
        try:
            self._admit(pool.name, seconds)
        except OverloadedError:
            self._submitter.hint(pool.name)
            raise

    async def _accept(  # noqa: PLR0913 - the parts of a task
        self,
        payload: Payload,
        name: str,
        pool: Pool,
        options: TaskOptions,
        order: Order,
        *,
        model: str | None = None,
    ) -> Record:
        reply = order.reply or order.wait_seconds > 0
        task = Task(
            name=name,
            pool=pool.name,
            payload=payload,
            options=options,
            model=model,
            caller=self._caller.name,
            idempotency_key=checked_key(order.key),
            reply_to=self._watch.queue if reply else None,
        )
        return await self._submitter.submit(task)

    async def _ended(self, record: Record, order: Order) -> Record:
        if order.wait_seconds <= 0:
            return record
        return await self._watch.wait(record.id, order.wait_seconds, self._caller, order.gone)


def _check_inputs(payload: Payload) -> None:
    kind = payload.content_type
    if is_json(kind):
        _check(PredictRequest, payload.body)
    elif not (kind.startswith("image/") and is_media_type(kind)):
        detail = f"a prediction's input is {JSON} or image/*, not {cut(repr(kind))}"
        raise InvalidRequestError(detail)


def _check(kind: type[BaseModel], body: bytes, *place: str) -> None:
    try:
        kind.model_validate_json(body)
    except ValidationError as error:
        raise InvalidFieldsError.of(error, *place) from error


def checked_key(key: str | None, longest: int = MAX_KEY) -> str | None:
    """Return the idempotency key, if any. An empty one is a mistake, and no task may be done twice for it.

    Raises:
        InvalidRequestError: it is empty, or longer than that.

    """
    if key is not None and not 1 <= len(key) <= longest:
        raise InvalidRequestError(f"an idempotency key has 1 to {longest} characters, this one has {len(key)}")
    return key
