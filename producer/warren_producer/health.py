"""Whether what the producer depends on answers.

Forbidden here: what the checks do; they are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from warren.errors import WarrenError

CHECK_SECONDS = 1.0

Check = Callable[[], Awaitable[None]]


class Dependency(BaseModel):
    """How one dependency stands."""

    state: Literal["ok", "unavailable"]
    detail: Annotated[str | None, Field(description="What is wrong.")] = None


class Readiness(BaseModel):
    """How the producer and its dependencies stand."""

    status: Annotated[
        Literal["ready", "degraded", "starting"],
        Field(
            description="`degraded`: it answers, but what needs a missing dependency gets 503. `starting`: the broker "
            "and its topology have not been seen yet since the process began."
        ),
    ]
    dependencies: dict[str, Dependency]


class Health:
    """Asks each dependency, all at once.

    A producer that could publish once stays ready: were all producers unready while a dependency is away, their
    endpoints would vanish, and callers would meet closed doors instead of a 503 that says what is wrong.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._started = False

    async def report(self) -> Readiness:
        """Return how everything stands, within about a second."""
        states = await asyncio.gather(*map(_state, self._checks.values()))
        dependencies = dict(zip(self._checks, states, strict=True))
        self._started = self._started or dependencies["broker"].state == "ok"
        if not self._started:
            return Readiness(status="starting", dependencies=dependencies)
        whole = all(dependency.state == "ok" for dependency in states)
        return Readiness(status="ready" if whole else "degraded", dependencies=dependencies)


async def _state(check: Check) -> Dependency:
    try:
        await asyncio.wait_for(check(), CHECK_SECONDS)
    except WarrenError as error:
        return Dependency(state="unavailable", detail=error.detail)
    except TimeoutError:
        return Dependency(state="unavailable", detail=f"no answer within {CHECK_SECONDS:g} s")
    return Dependency(state="ok")
