"""The depths of the in-memory broker's queues, for tests.

Forbidden here: figures that its queues do not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from warren.broker.memory import MemoryBroker


class MemoryDepths:
    """What the queues of a broker in this process hold."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def read(self) -> Mapping[str, int]:
        """Return how many messages each queue holds; see `QueueDepths`."""
        await self._broker.ping()
        return {name: len(queue.ready) + len(queue.unacked) for name, queue in self._broker.queues.items()}

    async def close(self) -> None:
        """Close: there is nothing to do."""
