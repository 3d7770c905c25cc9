"""`/v1/tasks/{id}/deliveries`: what became of a task's webhook, and sending it once more.

Forbidden here: sending.
"""

from __future__ import annotations

from fastapi import APIRouter, Response

from warren.client.deliveries import WebhookDocument
from warren.tasks import JSON
from warren_producer.problems import problems
from warren_producer.routes.tasks import TaskId
from warren_producer.services import Given

router = APIRouter(prefix="/v1/tasks", tags=["webhooks"])


@router.get(
    "/{task_id}/deliveries",
    summary="Read the delivery log of a task's webhook",
    response_model=WebhookDocument,
    responses=problems(404, 409, 503),
)
async def deliveries(task_id: TaskId, services: Given) -> Response:
    """Tell where a task's webhook stands, and of each attempt to deliver it.

    409 `no-webhook`: the task was submitted without `callback_url`.
    """
    document = await services.deliveries.read(task_id)
    return Response(document.json_bytes(), media_type=JSON)


@router.post(
    "/{task_id}/deliveries",
    status_code=202,
    summary="Send a task's webhook once more",
    response_model=WebhookDocument,
    responses=problems(404, 409, 503),
)
async def redeliver(task_id: TaskId, services: Given) -> Response:
    """Send the webhook of a task that has ended, whatever became of it before, and begin its retries anew.

    It keeps its `webhook-id`. 409 `not-ended`: there is nothing to tell yet. 409 `no-webhook`: there is nobody to tell.
    """
    document = await services.deliveries.again(task_id)
    return Response(document.json_bytes(), 202, media_type=JSON)
