"""Figures from RabbitMQ itself: the endpoint of its plugin `rabbitmq_prometheus`, which every node has.

They are fresh but for RabbitMQ's own interval, and know nothing of what consumers say of themselves.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from warren.address import apart
from warren.errors import BrokerUnavailableError
from warren_operator.figures import Figure

PATH: Final = "/metrics/detailed"
FAMILY: Final = "queue_coarse_metrics"
READY: Final = "rabbitmq_detailed_queue_messages_ready"
UNACKED: Final = "rabbitmq_detailed_queue_messages_unacked"
_TIMEOUT_SECONDS: Final = 2.0


class BrokerFigures:
    """The figures of one vhost's queues; `urls` are those of all nodes (`http://host:15692`)."""

    def __init__(self, urls: Iterable[str], vhost: str = "/") -> None:
        self._nodes = dict(map(apart, urls))
        self._vhost = vhost
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues; those that a node leads which does not answer are missing.

        While two nodes tell of one queue, the one that says more counts.
        """
        if not queues:
            return {}
        answers = await asyncio.gather(*map(self._ask, self._nodes), return_exceptions=True)
        told = [answer for answer in answers if isinstance(answer, str)]
        if not told:
            raise next(answer for answer in answers if isinstance(answer, BaseException))
        found: dict[str, Figure] = {}
        for exposition in told:
            for queue, figure in parse(exposition, self._vhost, frozenset(queues)).items():
                found[queue] = max(figure, found.get(queue, figure), key=_work)
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, url: str) -> str:
        try:
            what = {"vhost": self._vhost, "family": FAMILY}
            async with asyncio.timeout(_TIMEOUT_SECONDS):  # the client's own limit is one per step
                answer = await self._client.get(url.rstrip("/") + PATH, params=what, auth=self._nodes[url])
            answer.raise_for_status()
        except (httpx2.HTTPError, TimeoutError) as error:
            detail = f"RabbitMQ at {url} does not tell its queues' figures: {error!r}; is rabbitmq_prometheus enabled?"
            raise BrokerUnavailableError(detail) from error
        return answer.text


def parse(exposition: str, vhost: str, queues: frozenset[str]) -> dict[str, Figure]:
    """Read what a node tells; a queue of which a figure is missing, or no number, is left out."""
    held: dict[str, dict[str, float]] = {queue: {} for queue in queues}
    # The parser is slow, and a broker may have thousands of others' queues.
    lines = (line for line in exposition.splitlines() if line.startswith((READY, UNACKED)))
    ours = "\n".join(line for line in lines if any(queue in line for queue in queues))
    try:
        for family in text_string_to_metric_families(ours):
            for sample in family.samples:
                ours_too = sample.labels.get("vhost") == vhost and sample.labels.get("queue") in held
                if ours_too and math.isfinite(sample.value):
                    held[sample.labels["queue"]][sample.name] = sample.value
    except ValueError as error:
        raise BrokerUnavailableError(f"RabbitMQ's figures are not in Prometheus' text format: {error}") from error
    return {
        queue: Figure(int(told[READY]), int(told[UNACKED]), age=0.0)
        for queue, told in held.items()
        if told.keys() == {READY, UNACKED}
    }


def _work(figure: Figure) -> int:
    return figure.ready + figure.unacked
