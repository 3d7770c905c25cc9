"""`/v1/pools`: which pools there are.

Forbidden here: how they scale; their ConsumerPools say that.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from warren.pool import PoolKind
from warren_producer.services import Given

router = APIRouter(prefix="/v1/pools", tags=["pools"])


class PoolDocument(BaseModel):
    """A pool."""

    name: str
    kind: Annotated[PoolKind, Field(description="`serve`: predictions and functions. `train`: training runs.")]
    queue: Annotated[str, Field(description="The RabbitMQ queue that its tasks wait in.")]


class PoolList(BaseModel):
    """The pools."""

    pools: list[PoolDocument]


@router.get("", summary="List the pools")
async def pools(services: Given) -> PoolList:
    """Tell which pools a task may be submitted to."""
    return PoolList(pools=[PoolDocument(name=p.name, kind=p.kind, queue=p.queue) for p in services.pools])
