"""What is remembered of one pool from one look at it to the next.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warren_operator.pool.history import History


@dataclass(slots=True)
class Standing:
    """How a pool stood at the last look."""

    history: History | None = None
    wanted: int | None = None
    """What its Deployment was last set to, by anybody; None: nobody has looked yet."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever looks: a round and a hint must not both decide on what the Deployment had before."""
    _leaving: frozenset[str] = frozenset()

    @property
    def asleep(self) -> bool:
        """Whether nobody serves it, or those that do have been told to go. Before the first look that is not known."""
        last = self.history.last if self.history else None
        if last is None:
            return False
        return not (self.wanted and (last.replicas if last.consumers is None else last.consumers))

    def staying(self, replicas: int, consumers: int, processes: Iterable[str]) -> int:
        """Return how many of the consumers that tell of themselves stay.

        Those that do so while no replica is wanted are on their way out. They tell until they have finished, which may
        be long after the pool was woken again: taken for the new ones, they would make a pod's start look short, and
        what waits for the new ones look served.
        """
        told = frozenset(processes)
        self._leaving = self._leaving & told if replicas else told
        return max(0, consumers - len(self._leaving)) if replicas else 0
