"""Health: what a consumer says about itself to Kubernetes and to Prometheus.

Forbidden here: asking a dependency; what is known was noted before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from warren import probes
from warren.probes import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

HANGING_SECONDS: Final = 60.0
"""How long the event loop may say nothing before the process counts as hanging."""


class Health:
    """What was last noted about this process and what it depends on."""

    def __init__(self, dependencies: Iterable[str], now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._problems: dict[str, str | None] = dict.fromkeys(dependencies, "not reached yet")
        self._seen = now()

    def note(self, dependency: str, problem: str | None) -> None:
        """Note what is wrong with a dependency; None says that it is well."""
        self._problems[dependency] = problem
        self._seen = self._now()

    @property
    def alive(self) -> bool:
        """Whether the event loop still turns."""
        return self._now() - self._seen < HANGING_SECONDS

    @property
    def ready(self) -> bool:
        """Whether the process does what it is for."""
        return self.alive and not any(self._problems.values())

    def document(self) -> dict[str, object]:
        """Return each dependency with its state."""
        states = {name: problem or "ok" for name, problem in self._problems.items()}
        return {"ready": self.ready, "dependencies": states}


@contextmanager
def served(health: Health, registry: CollectorRegistry, port: int, host: str = "") -> Iterator[int]:
    """Serve the consumer's probes and metrics on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """
    with probes.served(
        alive=lambda: Answer(health.alive, {"alive": health.alive}),
        ready=lambda: Answer(health.ready, health.document()),
        registry=registry,
        port=port,
        host=host,
    ) as had:
        yield had
