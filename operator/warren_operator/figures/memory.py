"""Figures that are set by hand, for tests and rehearsals.

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
