"""The operator's metrics; every one that a dashboard or an alert names is declared here.

Forbidden here: everything else.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

DESIRED: Final = Gauge("warren_operator_pool_desired_replicas", "Replicas that the operator wants.", ["pool", "queue"])
REPLICAS: Final = Gauge("warren_operator_pool_replicas", "Replicas that the Deployment has.", ["pool", "queue"])
READY: Final = Gauge(
    "warren_operator_pool_ready_messages", "Tasks that wait, as the decision saw them.", ["pool", "queue"]
)
UNACKED: Final = Gauge(
    "warren_operator_pool_unacked_messages", "Tasks under way, as the decision saw them.", ["pool", "queue"]
)
METRICS_KNOWN: Final = Gauge(
    "warren_operator_pool_metrics_available", "1 while the queue's figures are fresh.", ["pool", "queue"]
)
POOL_GAUGES: Final = (DESIRED, REPLICAS, READY, UNACKED, METRICS_KNOWN)
"""What goes when its pool goes."""

SCALINGS: Final = Counter(
    "warren_operator_scalings_total", "Changes of a Deployment's replicas.", ["pool", "direction"]
)
MLJOBS: Final = Gauge("warren_operator_mljobs", "MLJobs by phase.", ["phase"])
RECONCILES: Final = Counter(
    "warren_operator_reconciles_total", "Resources looked at, by what came of it.", ["resource", "outcome"]
)
LAST_TICK: Final = Gauge("warren_operator_last_tick_timestamp_seconds", "When a round last ended.", ["loop"])
FAILED_TICKS: Final = Counter("warren_operator_failed_ticks_total", "Rounds of a loop that an error ended.", ["loop"])
