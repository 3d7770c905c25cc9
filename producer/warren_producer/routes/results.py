"""`/v1/tasks/{id}/result`: the bytes that a task returned.

Forbidden here: where results lie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from warren.tasks import is_media_type
from warren_producer.preferences import Preferred
from warren_producer.problems import problems
from warren_producer.routes.tasks import TaskId
from warren_producer.services import Given

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warren.objects import Download

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

_BINARY: Final = "application/octet-stream"
_GUARDS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
"""A task's author chooses the bytes and their type: a browser must not run them as a page of the API."""
_BYTES: Final[dict[str, Any]] = {"*/*": {}}
"""No schema: a task may return JSON of any form, or anything else."""


@router.get(
    "/{task_id}/result",
    summary="Read a task's result",
    response_class=Response,
    responses={
        200: {"content": _BYTES, "description": "The result itself, with its own `Content-Type`."},
        **problems(404, 409, 410, 503),
    },
)
async def result(task_id: TaskId, services: Given, preferences: Preferred) -> Response:
    """Send the bytes that the task returned, of whatever size. With `Prefer: wait=N`, as soon as it has ended.

    404 `no-result`: it failed, was canceled or expired. 409 `not-ended`: ask again. 410 `result-gone`: it was deleted.
    """
    record = await services.intake.read(task_id, wait_seconds=preferences.wait or 0, gone=preferences.gone)
    return streamed(await services.results.stream(record), preferences.applied())


def streamed(download: Download, headers: Mapping[str, str]) -> Response:
    """Answer with the bytes as they come."""
    kind = download.content_type if is_media_type(download.content_type) else _BINARY
    headers = {"Content-Type": kind, "Content-Length": str(download.size), **_GUARDS, **headers}
    return StreamingResponse(download.chunks, headers=headers)
