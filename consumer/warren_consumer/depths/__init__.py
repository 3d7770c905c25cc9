"""How much lies in the broker's queues, as the broker itself counts it: one interface, two adapters.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class QueueDepths(Protocol):
    """The broker's count of messages."""

    async def read(self) -> Mapping[str, int]:
        """Return how many messages each of Warren's queues holds: waiting, handed out, or on their way to dead letters.

        A queue that nothing is known of is missing, which is not zero.

        Raises:
            BrokerUnavailableError: the broker does not tell.

        """

    async def close(self) -> None:
        """Close the connections."""
