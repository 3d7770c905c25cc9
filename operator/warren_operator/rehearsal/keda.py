"""KEDA with the Horizontal Pod Autoscaler at their defaults, after their own documentation and sources.

KEDA looks every 30 s whether a sleeping Deployment is to be woken (to one replica), and lets it sleep 300 s after the
queue was last seen with work. In between the HPA decides every 15 s, from the queue's length at that time (ready and
un-acknowledged, as by KEDA's `protocol: http`): no change within 10 %, at most twice as many pods or 4 (the HPA that
KEDA makes has no `behavior`, so that of 4 more does not hold), down to the highest recommendation of the last 300 s.
`python -m benchmarks.keda` holds all of this against KEDA itself.

Forbidden here: what Warren decides.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from warren_operator.rehearsal.scalers import Depths

if TYPE_CHECKING:
    from warren.resources import ConsumerPoolSpec
    from warren_operator.rehearsal.plant import Plant

POLLING_SECONDS: Final = 30
COOLDOWN_SECONDS: Final = 300
SYNC_SECONDS: Final = 15
TOLERANCE: Final = 0.1
STABILIZATION_SECONDS: Final = 300
SCALE_UP_PODS: Final = 4
"""So many pods there may be at once, however few there are."""
SCALE_UP_FACTOR: Final = 2


class Keda:
    """The HPA that KEDA makes, and KEDA's own part between zero and one."""

    name = "keda"
    wakes = False

    def __init__(self, spec: ConsumerPoolSpec, value: float) -> None:
        self.rest = spec.min_replicas
        self._least = max(1, spec.min_replicas)
        self._most = spec.max_replicas
        self._value = value
        self._depths = Depths()
        self._recommended: deque[tuple[float, int]] = deque()
        self._active_at = -math.inf

    def second(self, plant: Plant, second: int) -> None:
        """Let RabbitMQ refresh, KEDA poll and the HPA decide, each when it is due."""
        self._depths.second(plant, second)
        if second % POLLING_SECONDS == POLLING_SECONDS // 2:
            self._poll(plant)
        if second % SYNC_SECONDS == SYNC_SECONDS - 1 and plant.replicas:
            self._decide(plant)

    def wake(self, plant: Plant) -> None:
        """Do nothing: nobody tells KEDA."""

    def _poll(self, plant: Plant) -> None:
        if self._depths.ready + self._depths.unacked:
            self._active_at = plant.now
            if not plant.replicas:
                plant.scale(self._least)
        elif not self.rest and plant.replicas and plant.now - self._active_at >= COOLDOWN_SECONDS:
            plant.scale(0)

    def _decide(self, plant: Plant) -> None:
        current, length = plant.replicas, self._depths.ready + self._depths.unacked
        ratio = length / (self._value * current)
        raw = current if abs(ratio - 1) <= TOLERANCE else math.ceil(length / self._value)
        wanted = max(self._least, self._patient(raw, plant.now))
        limit = max(SCALE_UP_PODS, current * SCALE_UP_FACTOR)
        plant.scale(min(wanted, limit, self._most))

    def _patient(self, wanted: int, now: float) -> int:
        """Return the highest recommendation of the last 300 s."""
        while self._recommended and self._recommended[0][0] <= now - STABILIZATION_SECONDS:
            self._recommended.popleft()
        while self._recommended and self._recommended[-1][1] <= wanted:
            self._recommended.pop()
        self._recommended.append((now, wanted))
        return self._recommended[0][1]
