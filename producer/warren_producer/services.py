"""What the routes work with.

Forbidden here: decisions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from warren.client.dead_letters import DeadLetters
from warren.client.intake import Intake
from warren.client.results import Results
from warren.pool import Pool
from warren.repository import Repository
from warren_producer.health import Health
from warren_producer.load import Load
from warren_producer.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """One application's parts."""

    intake: Intake
    dead_letters: DeadLetters
    results: Results
    repository: Repository
    health: Health
    metrics: Metrics
    pools: tuple[Pool, ...]
    load: Load
    predict_seconds: float
    max_wait_seconds: float


async def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Given = Annotated[Services, Depends(_services)]
"""How a route asks for the services."""
