"""Consumers asked one by one, by HTTP: each serves its own `/metrics`.

Forbidden here: what follows from the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from warren_operator.figures import PATIENCE_SECONDS, RUNNING


class WebConsumers:
    """Consumers that are asked all at once; whoever is not Warren's says nothing that counts."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        # A proxy that the environment names is none for the addresses of pods.
        self._client = httpx2.AsyncClient(timeout=patience_seconds, trust_env=False)

    async def running(self, endpoints: Collection[str]) -> Mapping[str, int]:
        """Return how many tasks each of these works on now; one that does not say so is missing."""
        answers = await asyncio.gather(*map(self._ask, endpoints))
        return {endpoint: tasks for endpoint, tasks in zip(endpoints, answers, strict=True) if tasks is not None}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, endpoint: str) -> int | None:
        try:
            async with asyncio.timeout(self._patience_seconds):  # the client's own limit is one per step
                answer = await self._client.get(f"http://{endpoint}/metrics")
            return read_running(answer.text) if answer.is_success else None
        except (httpx2.HTTPError, TimeoutError, ValueError, OverflowError):
            return None


def read_running(exposition: str) -> int | None:
    """Read how many tasks a consumer works on; None: it says nothing of that.

    Raises:
        ValueError: it is not Prometheus' text format.

    """
    ours = "\n".join(line for line in exposition.splitlines() if line.startswith(RUNNING))
    samples = [sample for family in text_string_to_metric_families(ours) for sample in family.samples]
    told = [sample.value for sample in samples if sample.name == RUNNING]
    return int(sum(told)) if told else None
