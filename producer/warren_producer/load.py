"""The pools' load: what waits in their queues, how fast that goes, and whether one more prediction would be in time.

Forbidden here: estimating; that is `warren_producer.estimate`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import structlog

from warren.errors import OverloadedError, UnavailableError
from warren_producer.estimate import GAP_SECONDS, Sample, estimated_wait

if TYPE_CHECKING:
    from warren.broker import Broker, Depth
    from warren.pool import Pool
    from warren.records import Records

SAMPLE_SECONDS: Final = 1.0
KEPT_SAMPLES: Final = 120
LONGEST_RETRY_SECONDS: Final = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """What is known of a pool's load; None is unknown."""

    ready: int | None = None
    consumers: int | None = None
    wait_seconds: float | None = None


class Load:
    """Samples the pools every second. Use it as an asynchronous context manager."""

    def __init__(
        self, broker: Broker, records: Records, pools: Sequence[Pool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._broker = broker
        self._records = records
        self._pools = pools
        self._clock = clock
        self._samples: dict[str, deque[Sample]] = {pool.name: deque(maxlen=KEPT_SAMPLES) for pool in pools}
        self._sampling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to sample."""
        self._sampling = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Sample no more."""
        if self._sampling is not None:
            self._sampling.cancel()
            await asyncio.gather(self._sampling, return_exceptions=True)

    def of(self, pool: str) -> PoolLoad:
        """Return a pool's load; samples that are too old tell nothing."""
        samples = self._samples[pool]
        if not samples or self._clock() - samples[-1].at > GAP_SECONDS:
            return PoolLoad()
        return PoolLoad(samples[-1].ready, samples[-1].consumers, estimated_wait(samples))

    def admit(self, pool: str, seconds: float) -> None:
        """Return if a prediction that has `seconds` may be in time.

        Raises:
            OverloadedError: it would still wait when they are over.

        """
        wait = self.of(pool).wait_seconds
        if wait is None or wait <= seconds:
            return
        detail = (
            f"the pool {pool!r} is overloaded: a prediction would wait for about {wait:.0f} s, and its time limit is "
            f"{seconds:g} s; ask again later, with a longer limit (Prefer: wait=N) or without one (respond-async)"
        )
        raise OverloadedError(detail, retry_after=min(LONGEST_RETRY_SECONDS, wait - seconds))

    async def sample(self) -> None:
        """Look at each pool once; one that cannot be seen gets no sample."""
        try:
            started = await self._records.claims([pool.name for pool in self._pools])
        except UnavailableError:
            return
        depths = await asyncio.gather(*(self._depth(pool) for pool in self._pools))
        for pool, depth in zip(self._pools, depths, strict=True):
            if depth is not None:
                seen = Sample(self._clock(), depth.ready, depth.consumers, started.get(pool.name, 0))
                self._samples[pool.name].append(seen)

    async def _depth(self, pool: Pool) -> Depth | None:
        try:
            return await self._broker.depth(pool.queue)
        except UnavailableError:
            return None

    async def _run(self) -> None:
        while True:
            try:
                await self.sample()
            except Exception:
                log.exception("the pools' load could not be sampled")
            await asyncio.sleep(SAMPLE_SECONDS)
