"""The same histories as in the unit tests, on a real store."""

from __future__ import annotations

import redis
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.core.store_world import Store
from tests.integration.servers import Workspace
from tests.unit.core.histories import Histories
from tests.unit.core.worlds import World


def test_each_line_has_its_own_store(workspace: Workspace) -> None:
    with redis.Redis.from_url(workspace.records_url) as admin:
        said: dict[str, str] = admin.info("server")
    version = said.get("valkey_version") or said["redis_version"]
    store = (said.get("server_name", "redis"), version.partition(".")[0])
    assert store == {"redis": ("redis", "7"), "valkey": ("valkey", "8")}[workspace.servers.store.spec.flavour]


def test_no_history_ends_a_task_twice_or_loses_it(workspace: Workspace) -> None:
    class InStore(Histories):
        async def begin(self) -> World:
            return Store(workspace.records_url)

    options = settings(max_examples=60, stateful_step_count=50, deadline=None, database=None)
    run_state_machine_as_test(InStore, settings=options)
