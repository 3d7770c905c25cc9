"""The producer's figures for Prometheus.

Forbidden here: labels whose values a caller can choose freely; each would be a time series.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector

from warren.record import Record

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

CLIENT_GONE: Final = 499
"""The status under which a request is counted whose client left before its answer began, as in nginx."""


class Metrics:
    """One application's figures, in a registry of their own."""

    def __init__(self, waiting: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Histogram(
            "warren_http_request_seconds",
            "Time from a request to its answer, waiting for tasks included; status 499: the client left before.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.accepted = Counter(
            "warren_tasks_accepted",
            "Tasks and predictions that were accepted (an idempotent repeat counts too).",
            ["pool"],
            registry=self.registry,
        )
        self.replayed = Counter(
            "warren_tasks_replayed", "Dead letters that were replayed as new tasks.", registry=self.registry
        )
        self.keys = Counter(
            "warren_key_requests",
            "Requests by the name of their API key (empty where it is not valid), and what became of them.",
            ["key", "outcome"],
            registry=self.registry,
        )
        gauge = Gauge(
            "warren_requests_waiting", "Requests that wait for a task's end or follow a task.", registry=self.registry
        )
        gauge.set_function(waiting)
        # A series is found by a lock and three look-ups, each of them for every request: found once, it is kept.
        self._accepted_in = cache(self.accepted.labels)
        self._answered = cache(self.requests.labels)

    def accept(self, record: Record) -> None:
        """Count a task that was accepted."""
        self._accepted_in(record.pool).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note a request that was answered."""
        self._answered(method, route, str(status)).observe(seconds)


class MeasuredRequests:
    """ASGI middleware: measures every request under its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and measure it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, gone, start = 500, False, time.perf_counter()

        async def hearing() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or message["type"] == "http.disconnect"
            return message

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = CLIENT_GONE if gone else message["status"]
            await send(message)

        try:
            await self._app(scope, hearing, noting)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.answered(method, route, status, time.perf_counter() - start)
