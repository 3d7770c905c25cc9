"""What RabbitMQ's nodes tell of their queues: the endpoint of the plugin `rabbitmq_prometheus`, which every node has.

A node tells of the queues that it leads; after a change of leader two may tell of one queue for a moment. RabbitMQ
refreshes the figures every 5 s by default.

Forbidden elsewhere: calling that endpoint. Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping
from typing import Any, Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from warren.address import apart
from warren.errors import BrokerUnavailableError

PATH: Final = "/metrics/detailed"
FAMILY: Final = "queue_coarse_metrics"
READY: Final = "rabbitmq_detailed_queue_messages_ready"
UNACKED: Final = "rabbitmq_detailed_queue_messages_unacked"
ALL: Final = "rabbitmq_detailed_queue_messages"
"""Ready, un-acknowledged, and those that wait for the dead-letter queue to take them, which are neither."""

Told = Mapping[str, Mapping[str, float]]
"""Figures by queue, and by name."""


class Nodes:
    """The nodes at `urls` (`http://host:15692`), for one virtual host; each has so many seconds for its answer."""

    def __init__(self, urls: Iterable[str], vhost: str, *, seconds: float) -> None:
        self._nodes = dict(map(apart, urls))
        self._vhost = vhost
        self._seconds = seconds
        self._client = httpx2.AsyncClient(timeout=seconds)

    def ask(self, words: Collection[str]) -> Iterator[Coroutine[Any, Any, Told]]:
        """Give for each node, to be awaited, what it tells in those lines that hold one of the words.

        A figure that is no number is left out. Awaited it raises `BrokerUnavailableError` where the node does not tell.
        """
        return (self._ask(url, words) for url in self._nodes)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, url: str, words: Collection[str]) -> Told:
        try:
            what = {"vhost": self._vhost, "family": FAMILY}
            async with asyncio.timeout(self._seconds):  # the client's own limit is one per step
                answer = await self._client.get(url.rstrip("/") + PATH, params=what, auth=self._nodes[url])
            answer.raise_for_status()
            return _read(answer.text, self._vhost, words)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            detail = f"RabbitMQ at {url} does not tell what its queues hold: {error!r}; is rabbitmq_prometheus enabled?"
            raise BrokerUnavailableError(detail) from error


def _read(exposition: str, vhost: str, words: Collection[str]) -> Told:
    lines = (line for line in exposition.splitlines() if line.startswith(ALL))
    # The parser is slow, and a broker may have thousands of others' queues.
    ours = "\n".join(line for line in lines if any(word in line for word in words))
    told: dict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(ours):
        for sample in family.samples:
            if sample.labels.get("vhost") == vhost and math.isfinite(sample.value):
                told[sample.labels.get("queue", "")][sample.name] = sample.value
    return told
