"""The pools' figures as the operator's own metrics.

Forbidden here: clocks, I/O, decisions.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from warren_operator import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warren.resources import ConsumerPool
    from warren_operator.pool.observation import Observation
    from warren_operator.pool.scaling import Decision


class Series:
    """One series of each gauge per pool that there is."""

    def __init__(self) -> None:
        self._labels: frozenset[tuple[str, str]] = frozenset()

    def keep(self, pools: Iterable[ConsumerPool]) -> None:
        """Let go of all series but those of these pools: an alert must not go on about one that is gone."""
        alive = frozenset(map(_labels, pools))
        for labels in self._labels - alive:
            _remove(labels)
        self._labels = alive

    @staticmethod
    def leave(pool: ConsumerPool) -> None:
        """Let go of the series of a pool that is not scaled for now: what was measured last is so no longer."""
        _remove(_labels(pool))

    def measure(self, pool: ConsumerPool, seen: Observation, decision: Decision) -> None:
        """Tell what was seen of a pool and decided."""
        labels = _labels(pool)
        metrics.DESIRED.labels(*labels).set(decision.replicas)
        metrics.REPLICAS.labels(*labels).set(seen.replicas)
        metrics.METRICS_KNOWN.labels(*labels).set(seen.known and not seen.silent)
        if seen.ready is not None and seen.unacked is not None:
            metrics.READY.labels(*labels).set(seen.ready)
            metrics.UNACKED.labels(*labels).set(seen.unacked)


def _labels(pool: ConsumerPool) -> tuple[str, str]:
    return pool.metadata.name, pool.spec.queue


def _remove(labels: tuple[str, str]) -> None:
    for gauge in metrics.POOL_GAUGES:
        with contextlib.suppress(KeyError):
            gauge.remove(*labels)
