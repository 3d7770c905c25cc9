"""The broker's figures: how much waits in a queue and how much is under way. One interface, and adapters.

`prometheus` and `broker` ask, `reserve` asks one and then the other, `memory` is told. What single consumers do at this
very moment is another interface: `consumers` asks them, `memory` is told.

Forbidden here: what follows from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

RUNNING: Final = "warren_consumer_running_tasks"
"""The metric of a consumer that says how many tasks it works on."""
PATIENCE_SECONDS: Final = 0.8
"""How long single consumers may take to say it: whoever asks is about to scale."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is known about one queue."""

    ready: int
    """Messages that wait."""
    unacked: int
    """Messages that consumers hold."""
    age: float
    """Seconds since this was measured."""
    running: int = 0
    """Tasks that the queue's consumers report as being executed."""
    busy: Mapping[str, int] = field(default_factory=dict)
    """The same of each process by its address, `host:port`."""
    consumers: int | None = None
    """Consumers that report themselves and take work; None: none reports itself, as those of others never do."""
    leaving: Collection[str] = frozenset()
    """Processes that report themselves and say that they take no more work."""
    instead: str = ""
    """Why these are the broker's own figures, without what its consumers say of themselves; empty: they are not."""
    finished: Mapping[str, float] = field(default_factory=dict)
    """Tasks finished so far by each process that reports itself; it begins at 0 whenever one starts."""
    dropped: Mapping[str, float] = field(default_factory=dict)
    """The same of tasks that it took from the queue and did not work on: they had ended, or were to be set aside."""
    busy_seconds: Mapping[str, float] = field(default_factory=dict)
    """For how many seconds its slots have been taken, all together; missing of one whose version does not tell."""
    scraped_at: float | None = None
    """When the broker was scraped, by Prometheus' clock: it tells scrapes apart. None: the broker itself was asked."""

    @property
    def exact(self) -> bool:
        """Whether each process there is says for how long its slots have been taken: also if there is none."""
        told = bool(self.busy_seconds) or self.consumers is None
        return told and self.busy.keys() <= self.busy_seconds.keys()


class Figures(Protocol):
    """The figures of queues."""

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues; one that nothing is known of is missing, which is not zero.

        Raises:
            UnavailableError: the source does not answer.

        """

    async def close(self) -> None:
        """Close the connections."""


class Consumers(Protocol):
    """Single consumers, asked one by one for what no scrape has shown yet."""

    async def running(self, endpoints: Collection[str]) -> Mapping[str, int]:
        """Return how many tasks each of these (`host:port`) works on now; one that does not say so is missing.

        It never raises, and takes `PATIENCE_SECONDS` at most.
        """

    async def close(self) -> None:
        """Close the connections."""
