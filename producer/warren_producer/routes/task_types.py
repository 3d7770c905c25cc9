"""`/v1/task-types`: which kinds of tasks there are, and what each takes and gives.

Forbidden here: reading functions.
"""

from __future__ import annotations

from fastapi import APIRouter

from warren.client.task_type import TaskTypeDocument, TaskTypeList
from warren_producer.services import Given

router = APIRouter(prefix="/v1/task-types", tags=["tasks"])


@router.get("", summary="List the kinds of tasks")
async def task_types(services: Given) -> TaskTypeList:
    """Tell of each function that is installed here, and of `train`, what it takes and gives, as JSON schemas.

    Their arguments are checked when they are submitted: 422, with the names of those that are wrong. A task of a name
    that is not among them is accepted all the same, and checked by its consumer.
    """
    return TaskTypeList(task_types=[TaskTypeDocument.of(kind) for kind in services.types])
