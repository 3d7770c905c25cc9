"""Figures from Prometheus, which scrapes RabbitMQ's `/metrics/detailed?family=queue_coarse_metrics`.

One query brings the figures of all queues, each with the time at which it was scraped.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

import httpx2

from warren.errors import UnavailableError
from warren_operator.figures import Figure

_READY: Final = "rabbitmq_detailed_queue_messages_ready"
_UNACKED: Final = "rabbitmq_detailed_queue_messages_unacked"
_TIMEOUT_SECONDS: Final = 2.0


class PrometheusUnavailableError(UnavailableError):
    """Prometheus does not answer, or not as Prometheus does."""

    code = "prometheus-unavailable"
    title = "Prometheus unavailable"


class PrometheusFigures:
    """The figures of one vhost's queues."""

    def __init__(self, url: str, vhost: str = "/") -> None:
        self._url = url.rstrip("/")
        self._vhost = vhost
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS)

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues by one query."""
        if not queues:
            return {}
        try:
            answer = await self._client.post(f"{self._url}/api/v1/query", data={"query": query(queues, self._vhost)})
            answer.raise_for_status()
            return read_answer(answer.json())
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            detail = f"Prometheus at {self._url} does not answer the query for the queues' figures: {error!r}"
            raise PrometheusUnavailableError(detail) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def query(queues: Collection[str], vhost: str) -> str:
    """Return the PromQL of all figures of the queues, told apart by the label `figure`.

    A queue's figures come from the node that leads it; the maximum bridges a change of leader.
    """
    names = "|".join(re.escape(queue) for queue in sorted(queues))
    where = f"{{vhost={json.dumps(vhost)},queue=~{json.dumps(names)}}}"
    parts = {"ready": f"{_READY}{where}", "unacked": f"{_UNACKED}{where}", "time": f"timestamp({_READY}{where})"}
    return " or ".join(
        f'label_replace(max by (queue) ({expression}), "figure", "{figure}", "", "")'
        for figure, expression in parts.items()
    )


def read_answer(document: Any) -> dict[str, Figure]:  # noqa: ANN401 - it is whatever the server sent
    """Read the answer to `query`; a queue whose figures are not complete is unknown.

    Raises:
        KeyError, TypeError, ValueError: it is not an answer of Prometheus.

    """
    values: dict[str, dict[str, float]] = defaultdict(dict)
    evaluated = 0.0
    for sample in document["data"]["result"]:
        evaluated, value = float(sample["value"][0]), float(sample["value"][1])
        values[sample["metric"]["queue"]][sample["metric"]["figure"]] = value
    return {
        queue: Figure(int(figures["ready"]), int(figures["unacked"]), max(0.0, evaluated - figures["time"]))
        for queue, figures in values.items()
        if {"ready", "unacked", "time"} <= figures.keys()
    }
