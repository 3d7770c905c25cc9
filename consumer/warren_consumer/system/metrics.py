"""What the system pool counts, by the names that dashboards and alerts use.

Forbidden here: counting; the duties do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

SWEPT: Final = ("deleted", "expired", "lost")
LETTERS: Final = ("recorded", "published-again", "ended-before")
KINDS: Final = ("payloads", "results", "checkpoints")
WEBHOOKS: Final = ("delivered", "pending", "stopped", "failed", "refused")
RESULTS: Final = ("begun", "noted", "recorded", "ended-before", "refused", "malformed")


class SystemMetrics:
    """The figures of the system pool. Each series begins at 0, so that its first increase is seen."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.records = self._counter("records", "Open records that were seen to, by what became of them", "fate", SWEPT)
        self.dead_letters = self._counter("dead_letters", "Dead letters, by what became of them", "fate", LETTERS)
        self.results = self._counter(
            "results", "What workers without a lease report, by what became of them", "fate", RESULTS
        )
        self.objects = self._counter("objects_deleted", "Objects that no record needed any more", "kind", KINDS)
        self.webhooks = self._counter(
            "webhooks", "Attempts to deliver a webhook, by what became of it", "outcome", WEBHOOKS
        )
        self.webhooks_pending = Gauge(
            "warren_system_webhooks_pending", "Webhooks that are to be sent, now or again later", registry=registry
        )
        self.faults = self._counter("faults", "Unexpected errors of a duty, which is done again", "duty", ())

    def _counter(self, name: str, meaning: str, label: str, values: Iterable[str]) -> Counter:
        counter = Counter(f"warren_system_{name}", meaning, (label,), registry=self._registry)
        for value in values:
            counter.labels(value)
        return counter
