"""`/healthz`, `/readyz`, `/metrics`: for probes and Prometheus.

Forbidden here: checks; they are in `warren_producer.health`.
"""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from warren.tasks import JSON
from warren_producer.health import Readiness
from warren_producer.services import Given

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answer without asking any dependency."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Is it ready, and what is missing?",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "The broker, or its topology, has not been seen yet."}},
)
async def readyz(services: Given) -> Response:
    """Name each dependency and how it stands. While one is away this stays 200: the API goes on answering."""
    report = await services.health.report()
    return Response(report.model_dump_json(exclude_none=True), 503 if report.status == "starting" else 200, None, JSON)


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(services: Given) -> Response:
    """Answer in Prometheus' text format."""
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)
