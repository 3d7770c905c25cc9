"""The depths of RabbitMQ's queues, from the endpoint of its plugin `rabbitmq_prometheus`, which every node has.

A node tells of the queues that it leads. RabbitMQ refreshes the figures every 5 s by default.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from warren.address import apart
from warren.errors import BrokerUnavailableError

PATH: Final = "/metrics/detailed"
FAMILY: Final = "queue_coarse_metrics"
OURS: Final = 'queue="warren.'
HELD: Final = frozenset({"rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_messages_unacked"})
ALL: Final = "rabbitmq_detailed_queue_messages"
"""Ready, un-acknowledged, and those that wait for the dead-letter queue to take them, which are neither."""
TIMEOUT_SECONDS: Final = 3.0


class RabbitDepths:
    """What the queues in the virtual host of `broker_url` hold; `urls` are those of all nodes (`http://host:15692`)."""

    def __init__(self, urls: Iterable[str], broker_url: str) -> None:
        self._nodes = dict(map(apart, urls))
        self._vhost = unquote(urlsplit(broker_url).path[1:]) or "/"
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS)

    async def read(self) -> Mapping[str, int]:
        """Return how many messages each queue holds; see `QueueDepths`.

        After a change of leader two nodes may tell of one queue for a moment: then the larger figure counts.
        """
        depths: Counter[str] = Counter()
        for told in await asyncio.gather(*map(self._ask, self._nodes)):
            depths |= told
            depths.update(dict.fromkeys(told, 0))
        return depths

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, url: str) -> Counter[str]:
        try:
            what = {"vhost": self._vhost, "family": FAMILY}
            async with asyncio.timeout(TIMEOUT_SECONDS):  # the client's own limit is one per step
                answer = await self._client.get(url.rstrip("/") + PATH, params=what, auth=self._nodes[url])
            answer.raise_for_status()
            return parse(answer.text, self._vhost)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            detail = (
                f"the broker at {url} does not tell what its queues hold: {error!r}; is rabbitmq_prometheus enabled?"
            )
            raise BrokerUnavailableError(detail) from error


def parse(exposition: str, vhost: str) -> Counter[str]:
    """Read what a node tells; a queue of which a figure is missing, or no number, is left out.

    Raises:
        ValueError: it is not Prometheus' text format.

    """
    held: dict[str, list[float]] = {}
    every: dict[str, float] = {}
    # Of a broker with thousands of others' queues only Warren's lines are parsed: the parser is slow.
    ours = "\n".join(line for line in exposition.splitlines() if OURS in line and line.startswith(ALL))
    for queue, name, value in _samples(ours, vhost):
        if name in HELD:
            held.setdefault(queue, []).append(value)
        elif name == ALL:
            every[queue] = value
    known = (queue for queue in every if len(held.get(queue, ())) == len(HELD))
    return Counter({queue: int(max(every[queue], sum(held[queue]))) for queue in known})


def _samples(exposition: str, vhost: str) -> Iterator[tuple[str, str, float]]:
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.labels.get("vhost") == vhost and math.isfinite(sample.value):
                yield sample.labels["queue"], sample.name, sample.value
