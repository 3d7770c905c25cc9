"""Figures and consumers that are set by hand, for tests and rehearsals.

Forbidden here: anything but keeping what was set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from warren.errors import UnavailableError
from warren_operator.figures import Figure


class MemoryFigures:
    """The figures of queues in a dictionary."""

    def __init__(self) -> None:
        self.queues: dict[str, Figure] = {}
        self.available = True
        """False: as if the source did not answer."""

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures that were set."""
        if not self.available:
            detail = "the figures are set to be unavailable"
            raise UnavailableError(detail)
        return {queue: self.queues[queue] for queue in queues if queue in self.queues}

    async def close(self) -> None:
        """Do nothing: there are no connections."""


class MemoryConsumers:
    """Consumers in a dictionary."""

    def __init__(self) -> None:
        self.tasks: dict[str, int] = {}
        """How many tasks each works on, by its `host:port`; one that is missing does not answer."""
        self.asked: list[str] = []
        """Who has been asked so far."""

    async def running(self, endpoints: Collection[str]) -> Mapping[str, int]:
        """Return what was set."""
        self.asked += endpoints
        return {endpoint: self.tasks[endpoint] for endpoint in endpoints if endpoint in self.tasks}

    async def close(self) -> None:
        """Do nothing: there are no connections."""
