"""What is remembered of one pool from one look at it to the next.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from warren_operator.pool.history import History
from warren_operator.pool.silence import Silence
from warren_operator.pool.status import told_before

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warren.resources import ConsumerPoolStatus


@dataclass(slots=True)
class Standing:
    """How a pool stood at the last look."""

    history: History | None = None
    wanted: int | None = None
    """What its Deployment was last set to, by anybody; None: nobody has looked yet."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever looks: a round and a hint must not both decide on what the Deployment had before."""
    queue: str = ""
    """What it serves."""
    silence: Silence = field(default_factory=Silence)
    """Whether consumers that are there are not heard of."""
    _crew: frozenset[str] = frozenset()
    """Those that served when there were last too many, as far as they still do; _kept of them stay."""
    _kept: int = 0

    @property
    def asleep(self) -> bool:
        """Whether nobody serves it, or those that do have been told to go. Before the first look that is not known."""
        last = self.history.last if self.history else None
        if last is None:
            return False
        return not (self.wanted and (last.replicas if last.consumers is None else last.consumers))

    def serve(self, queue: str, status: ConsumerPoolStatus) -> History:
        """Return what is remembered: first what a former process told, and nothing of another queue than this."""
        if self.queue not in {"", queue}:
            self.history, self.silence, self._crew, self._kept = History(), Silence(), frozenset(), 0
        elif self.history is None:
            self.history, self.silence = History.resumed(status.service_seconds), Silence(told_before(status))
        self.queue = queue
        return self.history

    def staying(self, replicas: int, consumers: int, processes: Iterable[str]) -> int:
        """Return how many of the consumers that serve stay; `processes` are their addresses.

        A consumer that was told to go says so itself, but that shows a scrape later. Until then those beyond what was
        wanted are on their way out, also when more are wanted again: taken for the new ones, they would make a pod's
        start look short, and what waits for the new ones look served.
        """
        told = frozenset(processes)
        self._crew &= told
        if consumers - self._going > replicas:
            self._crew, self._kept = told, replicas
        return min(replicas, consumers - self._going)

    @property
    def _going(self) -> int:
        return max(0, len(self._crew) - self._kept)
