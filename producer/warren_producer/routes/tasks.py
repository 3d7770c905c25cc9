"""`/v1/tasks`: submit, read, cancel.

Forbidden here: what a task means.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from warren.client.documents import TaskDocument, TaskRequest
from warren.client.intake import MAX_KEY, Order
from warren.record import Record
from warren.tasks import JSON
from warren_producer.plain import PlainSubmit
from warren_producer.preferences import Preferences, Preferred
from warren_producer.problems import problems
from warren_producer.services import Given

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

TaskId = Annotated[str, Path(description="The task's id, as its submission was answered.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY,
        description="Any text of your own. The same key again, with the same request, is answered with the task of the "
        "first time; with another request it is 422.",
    ),
]


async def submit(
    body: TaskRequest, services: Given, preferences: Preferred, idempotency_key: IdempotencyKey = None
) -> Response:
    """Accept a task. It goes to the pool that `options.pool` names, else to its own: `train` to a pool for training,
    a function to the pool that its package names.
    """  # noqa: D205 - this is the text of the page /docs
    order = Order(key=idempotency_key, wait_seconds=preferences.wait or 0, gone=preferences.gone)
    record = await services.intake.submit(body, order)
    services.metrics.accept(record)
    return accepted(record, preferences)


router.add_api_route(
    "",
    submit,
    methods=["POST"],
    status_code=202,
    summary="Submit a task",
    response_model=TaskDocument,
    responses={
        200: {"model": TaskDocument, "description": "With `Prefer: wait=N`: the task has ended."},
        202: {"description": "The task is accepted; `Location` is where it is read."},
        **problems(408, 413, 415, 422, 503),
    },
    route_class_override=PlainSubmit,
)


@router.get("/{task_id}", summary="Read a task", response_model=TaskDocument, responses=problems(404, 503))
async def read(task_id: TaskId, services: Given, preferences: Preferred) -> Response:
    """Tell how a task stands. With `Prefer: wait=N`, as soon as it has ended, or after N seconds."""
    record = await services.intake.read(task_id, wait_seconds=preferences.wait or 0, gone=preferences.gone)
    return _document(record, HTTPStatus.OK, preferences.applied())


@router.delete("/{task_id}", summary="Cancel a task", response_model=TaskDocument, responses=problems(404, 503))
async def cancel(task_id: TaskId, services: Given) -> Response:
    """End a task as canceled, queued or running. One that has ended stays as it is: look at `status`."""
    return _document(await services.intake.cancel(task_id), HTTPStatus.OK, {})


def accepted(record: Record, preferences: Preferences) -> Response:
    """Answer 202 with the task's location, or 200 where the caller waited and it has ended."""
    ended = preferences.wait is not None and record.state.terminal
    headers = {"Location": f"/v1/tasks/{record.id}", **preferences.applied()}
    return _document(record, HTTPStatus.OK if ended else HTTPStatus.ACCEPTED, headers)


def _document(record: Record, status: HTTPStatus, headers: dict[str, str]) -> Response:
    return Response(TaskDocument.of(record).json_bytes(), status, headers, JSON)
