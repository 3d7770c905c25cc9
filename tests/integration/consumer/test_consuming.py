"""A consumer is ready only while it really consumes, and consumes again by itself when it can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.integration.consumer.conftest import Client, apply_topology, until
from tests.integration.consumer.crew import Crew, ask, dependencies
from tests.integration.servers import Workspace, control, free_port, through_a_proxy
from tools.stack import web

NOTICED_SECONDS = 8.0
"""A loss that the broker tells of: the probes' period, and a little."""

SILENCE_SECONDS = 45.0
"""A loss that nobody tells of: some missed heartbeats of 10 s."""

BACK_SECONDS = 30.0
START_SECONDS = 60.0


@asynccontextmanager
async def consuming(crew: Crew, workspace: Workspace, **settings: str) -> AsyncIterator[int]:
    """Give a consumer that is ready, by the port of its probes."""
    await apply_topology(workspace)
    port = free_port()
    crew.start(WARREN_METRICS_PORT=str(port), **settings)
    await until(lambda: ask(port, "/readyz")[0] == 200, START_SECONDS)
    yield port


async def lost(port: int, seconds: float = NOTICED_SECONDS) -> None:
    """Wait until the consumer says that it does not consume."""
    await until(lambda: ask(port, "/readyz")[0] == 503 and dependencies(port)["consuming"] != "ok", seconds)
    assert ask(port, "/healthz")[0] == 200


async def back(port: int, client: Client, crew: Crew) -> None:
    """Wait until the consumer is ready again, and have it prove that it is."""
    await until(lambda: ask(port, "/readyz")[0] == 200, BACK_SECONDS)
    before = crew.rows("end")[0]
    await client.submit("waits", 1, 0.1)
    await until(lambda: crew.rows("end")[0] > before, 10)


async def test_a_queue_that_was_deleted_and_made_again(crew: Crew, client: Client, workspace: Workspace) -> None:
    async with consuming(crew, workspace) as port:
        path = f"{workspace.management_url()}api/queues/{workspace.name}/warren.tasks.cpu"
        assert web.call("DELETE", path).status == 204
        await lost(port)
        await asyncio.sleep(5)
        assert ask(port, "/readyz")[0] == 503
        await apply_topology(workspace)
        await back(port, client, crew)


async def test_connections_that_an_administrator_closed(crew: Crew, client: Client, workspace: Workspace) -> None:
    async with consuming(crew, workspace) as port:
        await administrate(workspace, "close_all_user_connections", "warren-consumer", "for a test")
        await until(lambda: ask(port, "/readyz")[0] == 200, BACK_SECONDS)
        await back(port, client, crew)


async def test_a_queue_that_is_gone_when_the_connection_comes_back(
    crew: Crew, client: Client, workspace: Workspace
) -> None:
    async with consuming(crew, workspace) as port:
        path = f"{workspace.management_url()}api/queues/{workspace.name}/warren.tasks.cpu"
        assert web.call("DELETE", path).status == 204
        await administrate(workspace, "close_all_user_connections", "warren-consumer", "for a test")
        await lost(port)
        await asyncio.sleep(5)
        await apply_topology(workspace)
        await back(port, client, crew)


async def test_a_connection_that_falls_silent(crew: Crew, client: Client, workspace: Workspace) -> None:
    proxy, through = through_a_proxy(workspace.broker_url("warren-consumer"))
    async with proxy.running(), consuming(crew, workspace, WARREN_BROKER_URL=through) as port:
        proxy.cut()
        await lost(port, SILENCE_SECONDS)
        proxy.mend()
        await back(port, client, crew)


@asynccontextmanager
async def impatient(workspace: Workspace) -> AsyncIterator[None]:
    """Have the broker wait 3 s for an acknowledgement; it looks every second.

    Then 3.10 and 4.0, which take it from their configuration, close the channel; 4.3, whose queues have it by policy,
    cancels the consumer.
    """
    policy = {"pattern": "^warren.tasks", "definition": {"consumer-timeout": 3000}, "apply-to": "queues", "priority": 9}
    web.call("PUT", f"{workspace.management_url()}api/policies/{workspace.name}/impatient", policy)
    names = ("consumer_timeout", "channel_tick_interval")
    usual = [await administrate(workspace, "eval", f"application:get_env(rabbit, {name}, 60000).") for name in names]
    for name, value in zip(names, (3000, 1000), strict=True):
        await administrate(workspace, "eval", f"application:set_env(rabbit, {name}, {value}).")
    try:
        yield
    finally:
        for name, kept in zip(names, usual, strict=True):
            await administrate(workspace, "eval", f"application:set_env(rabbit, {name}, {kept.strip()}).")


async def administrate(workspace: Workspace, *arguments: str) -> str:
    """Run `rabbitmqctl` while connections of this process live on."""
    return await asyncio.to_thread(control, workspace.servers, *arguments)


async def test_a_delivery_that_lasts_longer_than_the_broker_waits(
    crew: Crew, client: Client, workspace: Workspace
) -> None:
    async with impatient(workspace), consuming(crew, workspace) as port:
        (task,) = await client.submit("waits", 1, 8)
        (record,) = await client.ended([task], 40)
        assert record.attempt == 1
        assert crew.rows("start")[0] == 1
        said = workspace.servers.rabbitmq.process.log.read_text()
        assert "has timed out" in said or "reuse consumer tag" in said
        await back(port, client, crew)


async def test_the_system_pool_too(crew: Crew, workspace: Workspace) -> None:
    await apply_topology(workspace)
    port = free_port()
    crew.start("system", WARREN_METRICS_PORT=str(port))
    await until(lambda: ask(port, "/readyz")[0] == 200, START_SECONDS)
    path = f"{workspace.management_url()}api/queues/{workspace.name}/warren.dead.cpu"
    assert web.call("DELETE", path).status == 204
    await lost(port)
    await apply_topology(workspace)
    await until(lambda: ask(port, "/readyz")[0] == 200, BACK_SECONDS)
