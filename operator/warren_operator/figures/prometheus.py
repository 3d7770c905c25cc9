"""Figures from Prometheus, which scrapes RabbitMQ's `/metrics/detailed?family=queue_coarse_metrics` and the consumers.

One query brings the figures of all queues, each with the time at which it was scraped, and what the consumers of pools
say of themselves. Queues of others have no such consumers.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import httpx2

from warren.address import apart
from warren.errors import UnavailableError
from warren.record import Verdict
from warren.topology import TASKS
from warren_operator.figures import RUNNING, Figure

_READY: Final = "rabbitmq_detailed_queue_messages_ready"
_UNACKED: Final = "rabbitmq_detailed_queue_messages_unacked"
_FINISHED: Final = "warren_consumer_finished_tasks_total"
_CLAIMS: Final = "warren_consumer_claims_total"
_BUSY_SECONDS: Final = "warren_consumer_busy_seconds_total"
_SLOTS: Final = "warren_consumer_slots"
_PREFIX: Final = f"{TASKS}."
_GIVEN_BACK: Final = "held|lost|shutdown"
"""Outcomes after which the task is still on the queue."""
_DROPPED: Final = f"{Verdict.ENDED}|{Verdict.EXPIRED}|{Verdict.HELD}|{Verdict.POISON}"
"""Verdicts after which the task is no longer on the queue, though nobody worked on it."""
_OF_EACH: Final = ("running", "finished", "dropped", "busy_seconds", "slots")
"""Figures that each process of a pool has of its own."""
_TIMEOUT_SECONDS: Final = 2.0
_CLOCKS_DIFFER_SECONDS: Final = 5.0
"""What the clocks of several that share one address may differ by."""


class PrometheusUnavailableError(UnavailableError):
    """Prometheus does not answer, or not as Prometheus does."""

    code = "prometheus-unavailable"
    title = "Prometheus unavailable"


class PrometheusFigures:
    """The figures of one vhost's queues."""

    def __init__(self, url: str, vhost: str = "/", namespace: str = "") -> None:
        bare, credentials = apart(url)
        self._url = bare.rstrip("/")
        self._vhost = vhost
        self._namespace = namespace
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, auth=credentials)
        self._newest = 0.0

    async def read(self, queues: Collection[str]) -> Mapping[str, Figure]:
        """Return the figures of these queues by one query."""
        if not queues:
            return {}
        try:
            text = query(queues, self._vhost, self._namespace)
            async with asyncio.timeout(_TIMEOUT_SECONDS):  # the client's own limit is one per step
                answer = await self._client.post(f"{self._url}/api/v1/query", data={"query": text})
            answer.raise_for_status()
            document = answer.json()
            figures = read_answer(document)
            self._keep_time(document)
        except (httpx2.HTTPError, TimeoutError, ValueError, KeyError, TypeError) as error:
            detail = f"Prometheus at {self._url} does not answer the query for the queues' figures: {error!r}"
            raise PrometheusUnavailableError(detail) from error
        return figures

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _keep_time(self, document: Any) -> None:  # noqa: ANN401 - it is whatever the server sent
        """Refuse figures of the past: after its clock went back, what Prometheus calls fresh was scraped long ago."""
        told = max((float(sample["value"][0]) for sample in document["data"]["result"]), default=self._newest)
        if told < self._newest - _CLOCKS_DIFFER_SECONDS:
            detail = (
                f"the clock of Prometheus at {self._url} went back by {self._newest - told:.0f} s: its figures are old"
            )
            raise PrometheusUnavailableError(detail)
        self._newest = max(self._newest, told)


def query(queues: Collection[str], vhost: str, namespace: str = "") -> str:
    """Return the PromQL of all figures of the queues, told apart by the label `figure`.

    A queue's figures come from the node that leads it; the maximum bridges a change of leader. Consumers are those of
    the namespace, where the samples name one; one that is scraped by several jobs, or several times over, is one.
    """
    return " or ".join((*_of_broker(queues, vhost), *_of_consumers(queues, namespace)))


def _of_broker(queues: Collection[str], vhost: str) -> Iterator[str]:
    names = "|".join(re.escape(queue) for queue in sorted(queues))
    where = f"{{vhost={_quoted(vhost)},queue=~{_quoted(names)}}}"
    parts = {"ready": f"{_READY}{where}", "unacked": f"{_UNACKED}{where}", "time": f"timestamp({_READY}{where})"}
    for figure, expression in parts.items():
        yield f'label_replace(max by (queue) ({expression}), "figure", "{figure}", "", "")'


def _of_consumers(queues: Collection[str], namespace: str) -> Iterator[str]:
    pools = "|".join(sorted(re.escape(queue.removeprefix(_PREFIX)) for queue in queues if queue.startswith(_PREFIX)))
    if not pools:
        return
    where = f"pool=~{_quoted(pools)}"
    if namespace:
        where = f"{where},namespace=~{_quoted(f'{namespace}|')}"
    parts = {
        "running": f"{RUNNING}{{{where}}}",
        "slots": f"{_SLOTS}{{{where}}}",
        "finished": f'sum without (task, outcome) ({_FINISHED}{{{where},outcome!~"{_GIVEN_BACK}"}})',
        "busy_seconds": f"{_BUSY_SECONDS}{{{where}}}",
        "dropped": f'sum without (verdict) ({_CLAIMS}{{{where},verdict=~"{_DROPPED}"}})',
    }
    for figure, expression in parts.items():
        one = f"max by (pool, instance) ({expression})"
        named = f'label_replace({one}, "queue", "{_PREFIX}$1", "pool", "(.*)")'
        yield f'label_replace({named}, "figure", "{figure}", "", "")'


def _quoted(text: str) -> str:
    """Return the text as a string of PromQL, which knows JSON's escapes but not its pairs of them for one character."""
    return json.dumps(text, ensure_ascii=False)


def read_answer(document: Any) -> dict[str, Figure]:  # noqa: ANN401 - it is whatever the server sent
    """Read the answer to `query`; a queue whose figures are not complete, and numbers, is unknown.

    Raises:
        KeyError, TypeError, ValueError: it is not an answer of Prometheus.

    """
    values: dict[str, dict[str, float]] = defaultdict(dict)
    processes: dict[str, dict[str, dict[str, float]]] = {name: defaultdict(dict) for name in _OF_EACH}
    evaluated = 0.0
    for sample in document["data"]["result"]:
        labels, (time, value) = sample["metric"], sample["value"]
        evaluated = float(time)
        if not math.isfinite(float(value)):
            continue  # RabbitMQ says NaN of what it cannot tell: that is one queue's trouble, not every queue's
        if labels["figure"] in _OF_EACH:
            processes[labels["figure"]][labels["queue"]][labels.get("instance", "")] = float(value)
        else:
            values[labels["queue"]][labels["figure"]] = float(value)
    return {
        queue: Figure(
            int(figures["ready"]),
            int(figures["unacked"]),
            max(0.0, evaluated - figures["time"]),
            running=int(sum(processes["running"].get(queue, {}).values())),
            busy={process: int(count) for process, count in processes["running"].get(queue, {}).items()},
            consumers=_serving(processes["slots"].get(queue)),
            leaving=frozenset(process for process, slots in processes["slots"].get(queue, {}).items() if not slots),
            finished=processes["finished"].get(queue, {}),
            dropped=processes["dropped"].get(queue, {}),
            busy_seconds=processes["busy_seconds"].get(queue, {}),
            scraped_at=figures["time"],
        )
        for queue, figures in values.items()
        if {"ready", "unacked", "time"} <= figures.keys()
    }


def _serving(slots: Mapping[str, float] | None) -> int | None:
    """Return how many consumers take work, by their slots; none of those that report themselves may be left."""
    return None if slots is None else sum(count > 0 for count in slots.values())
