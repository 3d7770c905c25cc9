"""`/v1/tasks/{id}/events`: what becomes of a task, as server-sent events.

Forbidden here: what a change is. That is `warren.client.view`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse

from warren.client.documents import TaskDocument
from warren.client.intake import Changes
from warren.client.view import mark
from warren.record import Record
from warren.tasks import JSON
from warren_producer.guard import Admission
from warren_producer.problems import problems
from warren_producer.routes.tasks import TaskId
from warren_producer.services import Admitted, Given

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

SILENCE_SECONDS: Final = 15.0
"""After that long without an event a comment is sent, so that nobody on the way takes the connection for dead."""

_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_EXAMPLE: Final = """\
event: started
id: 1.started
data: {"id":"0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21","task":"train","pool":"train-cpu","status":"started","attempt":1}

event: progress
id: 1.started.0.5.0
data: {"id":"0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21","status":"started","attempt":1,"progress":{"fraction":0.5}, ...}

event: succeeded
id: 1.succeeded.1.0
data: {"id":"0196f0c8-5b7c-7d1e-8a55-6c1f0a3b9d21","status":"succeeded","attempt":1,"result":{"accuracy":0.97}, ...}
"""
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "id": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": {"$ref": "#/components/schemas/TaskDocument"},
        },
    },
    "required": ["event", "id", "data"],
}
"""The description of one event: `schema` would be that of the whole stream (OpenAPI 3.2)."""
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The stream. `event` is the task's status, or `progress`; `data` is the task's document.",
        "content": {"text/event-stream": {"itemSchema": _EVENT, "example": _EXAMPLE}},
    },
    204: {"description": "`Last-Event-ID` is the last event's: there is nothing more to tell. An EventSource stops."},
    **problems(404, 503),
}


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


async def _followed(task_id: TaskId, services: Given) -> AsyncIterator[Changes]:
    """Let go of the task however the stream ends; a fault is answered before it begins."""
    async with services.intake.follow(task_id, idle_seconds=SILENCE_SECONDS) as changes:
        yield changes


@router.get("/{task_id}/events", summary="Follow a task", response_class=EventStream, responses=_RESPONSES)
async def events(
    followed: Annotated[Changes, Depends(_followed)],
    admission: Admitted,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event that was seen; an EventSource sends it by itself.")
    ] = None,
) -> Response:
    """Tell how a task stands, then each change of its status and progress, until it has ended (server-sent events).

    The state is told, not its history: who connects anew is told first how the task stands now. Events that follow upon
    each other within moments may be told as the last of them; the last one of a task is always told. The stream ends
    within 15 seconds where the API key is no longer valid.
    """
    first, changes = followed
    if first.state.terminal and last_event_id == mark(first):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return EventStream(_told(first, changes, admission), headers=_HEADERS)


async def _told(
    first: Record, changes: AsyncIterator[Record | None], admission: Admission | None
) -> AsyncIterator[bytes]:
    yield _event(first.state.value, first)
    before = first
    async for record in changes:
        if admission is not None and not admission.stands:
            return
        if record is None:
            yield b":\n\n"
        else:
            same = (before.state, before.attempt) == (record.state, record.attempt)
            yield _event("progress" if same else record.state.value, record)
            before = record


def _event(name: str, record: Record) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        name.encode(),
        mark(record).encode(),
        TaskDocument.of(record).json_bytes(),
    )
