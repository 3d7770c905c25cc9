"""What a consumer measures of itself, by the names that dashboards, alerts and the autoscaler use.

Forbidden here: measuring; the callers do.
"""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from warren_consumer.occupancy import Occupancy

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)
UNKNOWN = "unknown"
"""Stands for the names of tasks that this consumer does not know, so that strangers cannot add time series."""


class Metrics:
    """The figures of one consumer process."""

    def __init__(self, pool: str) -> None:
        self.registry = CollectorRegistry()
        self._pool = pool
        self.occupancy = Occupancy(pool)
        self.registry.register(self.occupancy)
        running = self._gauge("warren_consumer_running_tasks", "Tasks that are being executed now")
        running.set_function(lambda: self.occupancy.running)
        self.slots = self._gauge("warren_consumer_slots", "Tasks that this consumer takes on at once; 0: it stops")
        self._finished = Counter(
            "warren_consumer_finished_tasks",
            "Attempts that ended, by task and outcome",
            ("pool", "task", "outcome"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "warren_consumer_task_seconds",
            "Running time of attempts in seconds",
            ("pool", "task"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._claims = Counter(
            "warren_consumer_claims",
            "Claims, by what the record store decided",
            ("pool", "verdict"),
            registry=self.registry,
        )
        # A series is found by a lock and three look-ups, each of them for every task: found once, it is kept.
        self._finished_as = cache(lambda task, outcome: self._finished.labels(pool, task, outcome))
        self._ran = cache(lambda task: self._seconds.labels(pool, task))
        self._claimed_as = cache(lambda verdict: self._claims.labels(pool, verdict))

    def claimed(self, verdict: str) -> None:
        """Count a claim."""
        self._claimed_as(verdict).inc()

    def finished(self, task: str, outcome: str) -> None:
        """Count an attempt that ended: as `succeeded`, `failed`, `retrying`, `lost`, `held` or `shutdown`."""
        self._finished_as(task, outcome).inc()

    def ran(self, task: str, seconds: float) -> None:
        """Note how long an attempt ran."""
        self._ran(task).observe(seconds)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, ("pool",), registry=self.registry).labels(self._pool)
