"""What the operator says about itself: it is well while no loop has stood still, and names what it depends on.

Forbidden here: decisions, Kubernetes, asking a dependency when a probe comes: a probe tells what was noted before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import REGISTRY

from warren import probes
from warren.errors import WarrenError
from warren.probes import Answer

if TYPE_CHECKING:
    from warren_operator.loop import Loop

STALE_SECONDS: Final = 120.0
"""A loop that has ended no round for so long is stuck, and the process is better started anew."""
LOOK_SECONDS: Final = 10.0
"""How often the dependencies are asked."""
_CHECK_SECONDS: Final = 3.0

Check = Callable[[], Awaitable[object]]


class Dependencies:
    """What was last seen of everything that the operator depends on."""

    def __init__(self, essential: str, checks: Mapping[str, Check]) -> None:
        self._essential = essential
        self._checks = dict(checks)
        self._troubles: dict[str, str | None] = dict.fromkeys(checks, "not asked yet")
        self._started = False

    async def look(self) -> None:
        """Ask each of them, all at once, and note how it stands."""
        troubles = await asyncio.gather(*map(_trouble, self._checks.values()))
        self._troubles = dict(zip(self._checks, troubles, strict=True))
        self._started = self._started or self._troubles[self._essential] is None

    @property
    def status(self) -> str:
        """`starting` until the essential one was reached once; then `ready`, or `degraded` while any is away."""
        if not self._started:
            return "starting"
        return "degraded" if any(self._troubles.values()) else "ready"

    def document(self) -> dict[str, Any]:
        """Return how each of them stands, as the producer's `/readyz` does."""
        states = {name: _state(trouble) for name, trouble in self._troubles.items()}
        return {"status": self.status, "dependencies": states}


def _state(trouble: str | None) -> dict[str, str]:
    return {"state": "ok"} if trouble is None else {"state": "unavailable", "detail": trouble}


async def _trouble(check: Check) -> str | None:
    try:
        await asyncio.wait_for(check(), _CHECK_SECONDS)
    except WarrenError as error:
        return error.detail
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    return None


@contextmanager
def served(loops: Sequence[Loop], dependencies: Dependencies, port: int, host: str = "") -> Iterator[int]:
    """Serve the operator's probes and metrics on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """

    def turning() -> Answer:
        stuck = {loop.name: f"no round has ended for {loop.age:.0f} s" for loop in loops if loop.age > STALE_SECONDS}
        return Answer(not stuck, {"stuck": stuck} if stuck else {"status": "ok"})

    def ready() -> Answer:
        well = turning()
        document = dependencies.document() | (well.document if not well.well else {})
        return Answer(well.well and dependencies.status != "starting", document)

    with probes.served(alive=turning, ready=ready, registry=REGISTRY, port=port, host=host) as had:
        yield had
