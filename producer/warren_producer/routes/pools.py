"""`/v1/pools`: which pools there are, and what waits in them.

Forbidden here: how they scale; their ConsumerPools say that.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from warren.pool import Pool, PoolKind
from warren_producer.load import PoolLoad
from warren_producer.services import Given

router = APIRouter(prefix="/v1/pools", tags=["pools"])


class PoolDocument(BaseModel):
    """A pool."""

    name: str
    kind: Annotated[PoolKind, Field(description="`serve`: predictions and functions. `train`: training runs.")]
    queue: Annotated[str, Field(description="The RabbitMQ queue that its tasks wait in.")]
    ready: Annotated[int | None, Field(description="Tasks that wait for a consumer; null when unknown.")]
    consumers: Annotated[int | None, Field(description="Consumers that take tasks now; null when unknown.")]
    estimated_wait_seconds: Annotated[
        float | None,
        Field(description="How long a task that came now would wait; null when unknown, as in a pool that sleeps."),
    ]


class PoolList(BaseModel):
    """The pools."""

    pools: list[PoolDocument]


@router.get("", summary="List the pools")
async def pools(services: Given) -> PoolList:
    """Tell which pools a task may be submitted to, and what waits there."""
    return PoolList(pools=[_document(pool, services.load.of(pool.name)) for pool in services.pools])


def _document(pool: Pool, load: PoolLoad) -> PoolDocument:
    return PoolDocument(
        name=pool.name,
        kind=pool.kind,
        queue=pool.queue,
        ready=load.ready,
        consumers=load.consumers,
        estimated_wait_seconds=load.wait_seconds,
    )
