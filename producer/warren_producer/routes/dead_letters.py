"""`/v1/dead-letters`: tasks that failed, to look at, to replay and to discard.

Forbidden here: what a replay is.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field, ValidationError

from warren.client.dead_letter import (
    MAX_MANY,
    DeadLetter,
    DeadLetterDetail,
    DeadLetterFilter,
    DeadLetterPage,
    DeadLetterQuery,
    DiscardMany,
    Fate,
    Ids,
    Replay,
    ReplayMany,
    Treatment,
)
from warren.client.documents import TaskDocument
from warren.client.problem import InvalidFieldsError
from warren.tasks import JSON
from warren_producer.problems import problems
from warren_producer.routes.results import streamed
from warren_producer.services import Admitted, Given

PATH: Final = "/v1/dead-letters"

router = APIRouter(prefix=PATH, tags=["dead letters"])

TaskId = Annotated[str, Path(description="The id of the task that failed.")]


class DiscardQuery(DeadLetterFilter):
    """Which dead letters to discard."""

    id: Annotated[Ids, Field(description="These; repeatable.")] = ()
    all: Annotated[bool, Field(description="Every one.")] = False
    limit: Annotated[int, Field(ge=1, le=MAX_MANY, description="How many at most, the newest first.")] = MAX_MANY


@router.get(
    "",
    summary="List the dead letters",
    response_model=DeadLetterPage,
    responses=problems(422, 503),
)
async def page(query: Annotated[DeadLetterQuery, Query()], services: Given) -> Response:
    """Name the tasks that failed, the newest end first, a page at a time.

    What fails in the meantime comes before the first page: following `next` meets each dead letter once.
    """
    return _json(await services.dead_letters.page(query))


@router.get("/{task_id}", summary="Read a dead letter", response_model=DeadLetterDetail, responses=problems(404, 503))
async def read(task_id: TaskId, services: Given) -> Response:
    """Tell all that is known of a failed task: payload, error with traceback, attempts, times.

    One that was replayed or discarded is told of as long as its record lives, without its payload.
    """
    letter = await services.dead_letters.read(task_id)
    if letter.payload_ref is not None:
        letter = letter.model_copy(update={"payload_url": f"{PATH}/{letter.id}/payload"})
    return _json(letter)


@router.get(
    "/{task_id}/payload",
    summary="Read a dead letter's payload",
    response_class=Response,
    responses={200: {"content": {"*/*": {}}, "description": "The payload, as it was submitted."}, **problems(404, 503)},
)
async def payload(task_id: TaskId, services: Given) -> Response:
    """Answer with the payload itself, under its own media type; a browser saves it and runs none of it."""
    return streamed(await services.dead_letters.payload(task_id), {"Content-Disposition": "attachment"})


@router.post(
    "/replay",
    summary="Replay many",
    response_model=Treatment,
    responses=problems(408, 413, 415, 422, 503),
)
async def replay_many(body: ReplayMany, services: Given, admitted: Admitted) -> Response:
    """Submit failed tasks anew, the newest first, and tell of each what became of it.

    All are chosen before the first is replayed, so replays that fail at once are not drawn in. While `more` is true
    there may be others that fit. Each that was chosen counts as a request to an API key's limit.
    """
    treatment = await services.dead_letters.replay_many(body, admitted.count if admitted else None)
    services.metrics.replayed.inc(treatment.count(Fate.REPLAYED))
    return _json(treatment)


@router.post(
    "/{task_id}/replay",
    status_code=202,
    summary="Replay a dead letter",
    response_model=TaskDocument,
    responses={
        202: {"description": "The new task is accepted; `Location` is where it is read."},
        **problems(404, 409, 422, 503),
    },
)
async def replay(task_id: TaskId, services: Given, body: Replay = Replay()) -> Response:  # noqa: B008 - it is frozen
    """Submit a failed task anew: a new task with the same payload and options, but for delay and expiry.

    It names the failed one in `replay_of`. A dead letter has one replay: asked for again, the answer is the same task.
    """
    record = await services.dead_letters.replay(task_id, body)
    services.metrics.replayed.inc()
    return _json(TaskDocument.of(record), HTTPStatus.ACCEPTED, Location=f"/v1/tasks/{record.id}")


@router.delete(
    "/{task_id}", summary="Discard a dead letter", response_model=DeadLetter, responses=problems(404, 409, 503)
)
async def discard(task_id: TaskId, services: Given) -> Response:
    """Strike a failed task off the dead letters and drop its payload. Its record stays until its life runs out."""
    return _json(await services.dead_letters.discard(task_id))


@router.delete("", summary="Discard many", response_model=Treatment, responses=problems(422, 503))
async def discard_many(query: Annotated[DiscardQuery, Query()], services: Given) -> Response:
    """Discard dead letters by id, by filter, or with `all=true` every one. While `more` is true there may be others."""
    wanted = DeadLetterFilter(pool=query.pool, task=query.task, code=query.code)
    try:
        which = DiscardMany(ids=query.id, filter=wanted, all=query.all, limit=query.limit)
    except ValidationError as error:
        raise InvalidFieldsError.of(error, "query") from error
    return _json(await services.dead_letters.discard_many(which))


def _json(document: BaseModel, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    return Response(document.model_dump_json(exclude_unset=True), status, headers, JSON)
