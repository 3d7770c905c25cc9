"""A world in a real store.

The store's clock cannot be moved, so time is: moving every time that the store holds into the past is, for every step,
the same as a clock that goes forward.
"""

from __future__ import annotations

from typing import Any

import redis

from tests.integration.servers import PATIENCE_SECONDS
from warren.records import Records
from warren.records.redis import DEAD, DUE, KEYS, OPEN, PREFIX, WEBHOOKS, RedisRecords

TIMES = ("lease_until", "submitted_at", "started_at", "finished_at", "due_at", "expires_at", "changed_at")


class Store:
    """Records in a real store, emptied, whose times can be moved."""

    def __init__(self, url: str) -> None:
        self._admin = redis.Redis.from_url(url)
        self._admin.flushdb()
        self._moved = 0.0
        self.records: Records = RedisRecords(url, PATIENCE_SECONDS)

    def now(self) -> float:
        """Return how far all times were moved."""
        return self._moved

    def moment(self, time: float) -> float:
        """Return where the time would be, had it not been moved."""
        return time + self._moved

    def advance(self, seconds: float) -> None:
        """Move all times into the past; 0 stands for none."""
        self._moved += seconds
        for key in self._admin.scan_iter(f"{PREFIX}*"):
            fields: dict[bytes, Any] = self._admin.hgetall(key)  # type: ignore[assignment] # redis-py types both of its clients at once
            for name in TIMES:
                if int(fields.get(name.encode(), 0)):
                    self._admin.hincrby(key, name, round(-1000 * seconds))
            self._shorten_life(key, seconds)
        for key in self._admin.scan_iter(f"{KEYS}*"):
            self._shorten_life(key, seconds)
        for name in (DUE, OPEN, DEAD, WEBHOOKS):
            members: list[bytes] = self._admin.zrange(name, 0, -1)  # type: ignore[assignment] # likewise
            for member in members:
                self._admin.zincrby(name, -1000 * seconds, member)

    def _shorten_life(self, key: bytes, seconds: float) -> None:
        life: int = self._admin.pttl(key)
        if life < 0:
            return
        left = round(life - 1000 * seconds)
        if left > 0:
            self._admin.pexpire(key, left)
        else:
            self._admin.delete(key)

    async def close(self) -> None:
        """Let go of the records."""
        await self.records.close()
        self._admin.close()
