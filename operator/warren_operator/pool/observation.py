"""What was seen of a pool at one moment: the words that history, demand and decision share.

Forbidden here: clocks, I/O, third parties, what follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LATE_SECONDS: Final = 10.0
"""Figures show a task after so long at the latest: RabbitMQ's 5 s of statistics, a scrape, and some to spare."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a pool at one moment. What is not known, or too old to be relied on, is None, never zero."""

    replicas: int
    """What the Deployment is set to."""
    ready: int | None = None
    """Tasks that wait."""
    unacked: int | None = None
    """Tasks that consumers hold."""
    finished: float | None = None
    """Tasks that its consumers have ever finished, as far as is known by now. None: they do not tell, being others'."""
    running: int = 0
    """Tasks that consumers report as being executed."""
    consumers: int | None = None
    """Replicas that are up, as they report themselves, and stay. None: they do not report themselves."""
    woken: bool = False
    """A producer said that it published; figures may show it only later."""
    outgoing: int = 0
    """Of the running tasks, those of consumers that take no more."""
    silent: bool = False
    """Some of its consumers are there but are not heard of (any longer): what they do is not known."""
    dropped: float = 0.0
    """Tasks that they ever took from the queue and did not work on: those arrived, and say nothing of speeds."""
    busy_seconds: float | None = None
    """For how many seconds its consumers' slots have ever been taken, all together, exactly. None: not all tell."""
    paused: str | None = None
    """The annotation that holds a count of replicas, as somebody wrote it."""
    scraped_at: float | None = None
    """Which scrape the broker's figures are of. None: of none; the broker told them itself."""

    @property
    def known(self) -> bool:
        """Whether the queue's figures are known."""
        return self.ready is not None and self.unacked is not None

    @property
    def up(self) -> int:
        """Replicas that are up; where they do not report themselves, all that are wanted."""
        return self.replicas if self.consumers is None else min(self.consumers, self.replicas)

    @property
    def in_flight(self) -> int:
        """Tasks under way: a training that runs is no idleness, whatever the broker believes of its delivery."""
        return max(self.unacked or 0, self.running)

    @property
    def staying(self) -> int:
        """Tasks that are executed by consumers which go on to take more."""
        return self.running - self.outgoing

    @property
    def told(self) -> int:
        """Tasks that wait or that consumers hold, as the broker counts them at one moment."""
        return (self.ready or 0) + (self.unacked or 0)

    @property
    def work(self) -> int:
        """All tasks that wait or are under way, as far as is known.

        What the broker says is of one moment, what the consumers say of another: a task that was taken in between is in
        both, and must not be counted twice.
        """
        return max(self.told, self.running)
