"""The same histories as in the unit tests, on a real store.

The store's clock cannot be moved, so time is: moving every time that the store holds into the past is, for every step,
the same as a clock that goes forward.
"""

from __future__ import annotations

from typing import Any

import redis
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.servers import Workspace
from tests.unit.core.histories import Histories, World
from warren.records import Records
from warren.records.redis import DUE, PREFIX, UNACCEPTED, RedisRecords

TIMES = ("lease_until", "submitted_at", "started_at", "finished_at", "due_at", "expires_at")


class Store:
    """Records in a real store, emptied, whose times can be moved."""

    def __init__(self, url: str) -> None:
        self._admin = redis.Redis.from_url(url)
        self._admin.flushdb()
        self._moved = 0.0
        self.records: Records = RedisRecords(url)

    def now(self) -> float:
        return self._moved

    def advance(self, seconds: float) -> None:
        """Move all times into the past; 0 stands for none."""
        self._moved += seconds
        for key in self._admin.scan_iter(f"{PREFIX}*"):
            fields: dict[bytes, Any] = self._admin.hgetall(key)  # type: ignore[assignment] # redis-py types both of its clients at once
            for name in TIMES:
                if int(fields.get(name.encode(), 0)):
                    self._admin.hincrby(key, name, round(-1000 * seconds))
        for name in (DUE, UNACCEPTED):
            members: list[bytes] = self._admin.zrange(name, 0, -1)  # type: ignore[assignment] # likewise
            for member in members:
                self._admin.zincrby(name, -1000 * seconds, member)

    async def close(self) -> None:
        await self.records.close()
        self._admin.close()


def test_no_history_ends_a_task_twice_or_loses_it(workspace: Workspace) -> None:
    class InStore(Histories):
        async def begin(self) -> World:
            return Store(workspace.records_url)

    options = settings(max_examples=60, stateful_step_count=50, deadline=None, database=None)
    run_state_machine_as_test(InStore, settings=options)
