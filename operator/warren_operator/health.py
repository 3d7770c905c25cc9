"""What the operator says about itself: it is well while no loop has stood still.

Forbidden here: decisions, Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from prometheus_client import REGISTRY

from warren import probes
from warren.probes import Answer

if TYPE_CHECKING:
    from warren_operator.loop import Loop

STALE_SECONDS: Final = 120.0
"""A loop that has ended no round for so long is stuck, and the process is better started anew."""


@contextmanager
def served(loops: Sequence[Loop], port: int, host: str = "") -> Iterator[int]:
    """Serve the operator's probes and metrics on the port (0: a free one) meanwhile; yield the port.

    Raises:
        OSError: the port cannot be had.

    """

    def turning() -> Answer:
        stuck = {loop.name: f"no round has ended for {loop.age:.0f} s" for loop in loops if loop.age > STALE_SECONDS}
        return Answer(not stuck, stuck)

    with probes.served(alive=turning, ready=turning, registry=REGISTRY, port=port, host=host) as had:
        yield had
