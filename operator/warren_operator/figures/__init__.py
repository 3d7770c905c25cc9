"""The broker's figures: how much waits in a queue and how much is under way. One interface, two adapters.

Forbidden here: what follows from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Figure:
    """What is known about one queue."""

    ready: int
    """Messages that wait."""
    unacked: int
    """Messages that consumers hold."""
    age: float
    """Seconds since this was measured."""


class Figures(Protocol):
    """The figures of queues."""

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues; one that nothing is known of is missing, which is not zero.

        Raises:
            UnavailableError: the source does not answer.

        """

    async def close(self) -> None:
        """Close the connections."""
