"""What a consumer's functions run on besides its event loop: threads and child processes.

Forbidden here: what the functions do.
"""

from __future__ import annotations

from warren_consumer.functions.crew import Crew
from warren_consumer.functions.threads import Threads


class Executors:
    """The threads and children of one consumer with so many slots."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self.threads = Threads()
        self.crew = Crew()

    def worn(self) -> str | None:
        """Say why this process must be replaced; None while it need not be."""
        stuck = self.threads.stuck
        if stuck < self._slots:
            return None
        return (
            f"{stuck} plain functions run on in their threads after they were to stop, and this consumer has "
            f"{self._slots} slots: let such functions heed current_task().canceled, or declare process=True"
        )

    async def close(self) -> None:
        """End the children; threads end with the process."""
        await self.crew.close()
