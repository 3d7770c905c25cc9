"""What the routes work with.

Forbidden here: decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Self, cast

from fastapi import Depends, Request

from warren.client.caller import Caller
from warren.client.dead_letters import DeadLetters
from warren.client.deliveries import Deliveries
from warren.client.intake import Intake
from warren.client.results import Results
from warren.client.task_type import TaskTypes
from warren.pool import Pool
from warren.repository import Repository
from warren_producer.guard import ADMISSION, Admission
from warren_producer.health import Health
from warren_producer.load import Load
from warren_producer.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """One application's parts."""

    intake: Intake
    dead_letters: DeadLetters
    results: Results
    deliveries: Deliveries
    repository: Repository
    health: Health
    metrics: Metrics
    pools: tuple[Pool, ...]
    types: TaskTypes
    load: Load
    predict_seconds: float
    max_wait_seconds: float

    def by(self, caller: Caller) -> Self:
        """Return the same for a caller, for whom there are the tasks that it sees."""
        return replace(
            self,
            intake=self.intake.by(caller),
            dead_letters=self.dead_letters.by(caller),
            deliveries=self.deliveries.by(caller),
        )


def services_of(request: Request) -> Services:
    """Return the services as the request's caller may use them."""
    services = cast("Services", request.app.state.services)
    admission = _admission_of(request)
    return services if admission is None else services.by(admission.caller)


def _admission_of(request: Request) -> Admission | None:
    return cast("Admission | None", request.scope.get(ADMISSION))


# Both are coroutines, so that they run here: FastAPI gives a thread to each plain function.
async def _services(request: Request) -> Services:
    return services_of(request)


async def _admission(request: Request) -> Admission | None:
    return _admission_of(request)


Given = Annotated[Services, Depends(_services)]
"""How a route asks for the services: as its caller may use them."""

Admitted = Annotated[Admission | None, Depends(_admission)]
"""How a route asks for its caller's admission; None where no keys are asked for."""
