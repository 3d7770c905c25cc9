"""The depths of RabbitMQ's queues, as its nodes tell them.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from warren.broker.nodes import ALL, READY, UNACKED, Nodes

OURS: Final = 'queue="warren.'
TIMEOUT_SECONDS: Final = 3.0


class RabbitDepths:
    """What the queues in the virtual host of `broker_url` hold; `urls` are those of all nodes (`http://host:15692`)."""

    def __init__(self, urls: Iterable[str], broker_url: str) -> None:
        vhost = unquote(urlsplit(broker_url).path[1:]) or "/"
        self._nodes = Nodes(urls, vhost, seconds=TIMEOUT_SECONDS)

    async def read(self) -> Mapping[str, int]:
        """Return how many messages each queue holds; see `QueueDepths`.

        While two nodes tell of one queue, the larger figure counts.
        """
        depths: dict[str, int] = {}
        for told in await asyncio.gather(*self._nodes.ask([OURS])):
            for queue, figures in told.items():
                if figures.keys() >= {ALL, READY, UNACKED}:
                    depth = int(max(figures[ALL], figures[READY] + figures[UNACKED]))
                    depths[queue] = max(depth, depths.get(queue, 0))
        return depths

    async def close(self) -> None:
        """Close the connections."""
        await self._nodes.close()
