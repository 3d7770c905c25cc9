"""Figures from RabbitMQ itself.

They are fresh but for RabbitMQ's own interval, and know nothing of what consumers say of themselves.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from warren.broker.nodes import READY, UNACKED, Nodes
from warren_operator.figures import Figure

_TIMEOUT_SECONDS: Final = 2.0


class BrokerFigures:
    """The figures of one vhost's queues; `urls` are those of all nodes (`http://host:15692`)."""

    def __init__(self, urls: Iterable[str], vhost: str = "/") -> None:
        self._nodes = Nodes(urls, vhost, seconds=_TIMEOUT_SECONDS)

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues; those that a node leads which does not answer are missing.

        So is a queue of which a figure is. While two nodes tell of one queue, the one that says more counts.
        """
        if not queues:
            return {}
        answers = await asyncio.gather(*self._nodes.ask(queues), return_exceptions=True)
        nodes = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not nodes:
            raise next(answer for answer in answers if isinstance(answer, BaseException))
        found: dict[str, Figure] = {}
        for told in nodes:
            for queue in told.keys() & set(queues):
                if told[queue].keys() >= {READY, UNACKED}:
                    figure = Figure(int(told[queue][READY]), int(told[queue][UNACKED]), age=0.0)
                    found[queue] = max(figure, found.get(queue, figure), key=_work)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()


def _work(figure: Figure) -> int:
    return figure.ready + figure.unacked
