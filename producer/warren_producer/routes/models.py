"""`/v1/models`: what there is, going back to an earlier version, and predictions.

Forbidden here: what a prediction means.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from warren.client.documents import TaskDocument
from warren.client.intake import Order
from warren.client.outcome import failure
from warren.model import PRODUCTION, AliasEntry, Manifest
from warren.prediction import PredictRequest, PredictResponse
from warren.record import State
from warren.tasks import JSON, Payload
from warren.training import MODEL_NAME
from warren_producer.preferences import Preferred
from warren_producer.problems import problems
from warren_producer.routes.results import streamed
from warren_producer.routes.tasks import IdempotencyKey, accepted
from warren_producer.services import Given

router = APIRouter(prefix="/v1/models", tags=["models"])

Name = Annotated[str, Path(description="The model's name.", examples=["iris"])]
Reference = Annotated[
    str,
    Path(
        description="The model's name: its alias `production`. Or `name@version`, or `name@alias`.", examples=["iris"]
    ),
]
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": PredictRequest.model_json_schema(ref_template="#/components/schemas/{model}")},
            "image/*": _BYTES,
        },
    }
}


class ModelSummary(BaseModel):
    """A model."""

    name: str
    production: Annotated[AliasEntry | None, Field(description="What the alias `production` points at.")] = None


class ModelList(BaseModel):
    """The models."""

    models: list[ModelSummary]


class ModelDocument(ModelSummary):
    """A model with its versions."""

    versions: Annotated[list[Manifest], Field(description="Every version, the newest first.")]


class Rollback(BaseModel):
    """Which version to leave, and why."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[str, Field(description="The version to leave; nothing happens if it was left already.")]
    alias: Annotated[str, Field(pattern=MODEL_NAME, description="The alias that points at it.")] = PRODUCTION
    reason: Annotated[str, Field(max_length=1000, description="For the alias' history.")] = "rolled back"


@router.get("", summary="List the models", response_model_exclude_none=True, responses=problems(503))
async def models(services: Given) -> ModelList:
    """Name every model that has a version, and the version that answers predictions."""
    names = await services.repository.models()
    entries = await asyncio.gather(*map(services.repository.alias, names))
    return ModelList(models=[ModelSummary(name=n, production=e) for n, e in zip(names, entries, strict=True)])


@router.get("/{model}", summary="Read a model", response_model_exclude_none=True, responses=problems(404, 503))
async def model_by_name(model: Name, services: Given) -> ModelDocument:
    """Tell a model's versions: inputs and outputs, features, labels, metrics, and where each came from."""
    versions = await services.repository.versions(model)
    return ModelDocument(name=model, production=await services.repository.alias(model), versions=versions)


@router.post("/{model}/rollback", summary="Go back to the version before", responses=problems(404, 422, 503))
async def rollback(model: Name, body: Rollback, services: Given) -> AliasEntry:
    """Point an alias at the version that it pointed at before, and tell where it points; consumers follow in seconds.

    A request may be repeated: an alias that no longer points at the version to leave stays as it is.
    """
    return await services.repository.rollback(model, body.version, reason=body.reason, alias=body.alias)


@router.post(
    "/{model}/predict",
    summary="Predict",
    response_model=PredictResponse,
    openapi_extra=_BODY,
    responses={
        202: {
            "model": TaskDocument,
            "description": "With `Prefer: respond-async`, or `wait=0`: accepted; read it at `Location`.",
        },
        **problems(404, 408, 413, 415, 422, 503, 504),
    },
)
async def predict(
    model: Reference, request: Request, services: Given, preferences: Preferred, idempotency_key: IdempotencyKey = None
) -> Response:
    """Run a model on rows of numbers, on base64 images, or on one image as the body itself (`Content-Type: image/...`).

    The answer comes within a time limit, which `Prefer: wait=N` sets; after that it is 504, and the work is dropped.
    `Prefer: wait=0` is not waited for either: 202.
    """
    payload = Payload(await request.body(), _media_type(request))
    if preferences.respond_async:
        preferences = replace(preferences, wait=None)
    at_once = preferences.respond_async or preferences.wait == 0
    seconds = None if at_once else preferences.wait or services.predict_seconds
    order = Order(key=idempotency_key, wait_seconds=seconds or 0, gone=preferences.gone)
    record = await services.intake.predict(model, payload, seconds, order)
    services.metrics.accept(record)
    if preferences.respond_async or (at_once and not record.state.terminal):
        return accepted(record, preferences)
    if record.state is not State.SUCCEEDED:
        raise failure(record.id, record.name, record.state, record.error)
    return streamed(await services.results.stream(record), {"Warren-Task": record.id, **preferences.applied()})


ADMINISTRATIVE: Final = [route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is rollback]
"""The routes that change what everybody's predictions are made with: for administrators only."""


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
