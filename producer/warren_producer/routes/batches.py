"""`/v1/tasks/batch`: many tasks in one call.

Forbidden here: what becomes of an item.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Request, Response

from warren.client.batch import MAX_BATCH_KEY, BatchAnswer, Batches, BatchRequest, Fate
from warren.client.problem import Problem
from warren.errors import UnavailableError, WarrenError
from warren.record import Record
from warren.tasks import JSON
from warren_producer.problems import problems
from warren_producer.services import Admitted, Given

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])

TOLD_AT_ONCE: Final = 200
"""How many fates are put into words before other requests get their turn."""

BatchKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_BATCH_KEY,
        description="Any text of your own. Each task that has no key of its own gets `<this>/<its index>`: the same "
        "batch again is answered with the tasks of the first time.",
    ),
]


@router.post(
    "/batch",
    status_code=202,
    summary="Submit many tasks",
    response_model=BatchAnswer,
    responses={
        202: {"description": "What became of each task, in their order: look at `refused`."},
        **problems(408, 413, 415, 422, 503),
    },
)
async def submit_batch(
    request: Request, body: BatchRequest, services: Given, admitted: Admitted, idempotency_key: BatchKey = None
) -> Response:
    """Accept up to 10,000 tasks, each for itself: one that is wrong is refused with its problem, the others are not.

    A body that is no batch is 422 as a whole. While something that is needed is away, the tasks that could not be
    accepted carry that 503; where none could be, the answer is 503 as a whole. Each task counts as a
    request to an API key's limit.
    """
    if admitted is not None:
        admitted.count(len(body.tasks))
    fates = await Batches(services.intake).submit(body.tasks, idempotency_key)
    first = fates[0]
    if isinstance(first, UnavailableError) and all(isinstance(fate, UnavailableError) for fate in fates):
        raise first
    for fate in fates:
        if isinstance(fate, Record):
            services.metrics.accept(fate)
    return Response(await _answer(fates, request.url.path), 202, None, JSON)


async def _answer(fates: Sequence[Fate[Record]], path: str) -> bytes:
    told: list[dict[str, Any]] = []
    for index, fate in enumerate(fates):
        if index % TOLD_AT_ONCE == 0:
            await asyncio.sleep(0)
        told.append(_told(index, fate, path))
    refused = sum("error" in item for item in told)
    return orjson.dumps({"tasks": told, "accepted": len(told) - refused, "refused": refused})


def _told(index: int, fate: Fate[Record], path: str) -> dict[str, Any]:
    if isinstance(fate, WarrenError):
        problem = Problem.of(fate, f"{path}#/tasks/{index}")
        return {"index": index, "error": problem.model_dump(mode="json", exclude_defaults=True)}
    return {"id": fate.id, "task": fate.name, "pool": fate.pool, "status": fate.state.value}
