"""Every accepted task ends once, whatever happens to consumers, broker and store meanwhile."""

from __future__ import annotations

import asyncio
import signal
import time

from tests.integration.consumer.conftest import Client, until
from tests.integration.consumer.crew import Crew
from tests.integration.servers import Workspace
from warren.record import State

CONCURRENCY = 8


async def test_a_consumer_killed_and_another_stopped_lose_nothing_and_charge_nothing(
    crew: Crew, client: Client
) -> None:
    crew.start()
    tasks = await client.submit("waits", 200, 0.2)
    await until(lambda: crew.rows("end").total() >= 40)
    crew.processes[0].send_signal(signal.SIGKILL)
    stopped = crew.start()
    await until(lambda: crew.rows("end").total() >= 90)
    stopped.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stopped.wait, 25) == 0
    crew.start()
    records = await client.ended(tasks, within=60)
    assert {record.state for record in records} == {State.SUCCEEDED}
    assert {record.failures for record in records} == {0}
    starts, ends = crew.rows("start"), crew.rows("end")
    assert set(ends) == set(range(200))
    assert starts.total() <= 200 + CONCURRENCY
    # What the killed one had begun, and nothing else, was begun again.
    assert starts.total() - ends.total() <= CONCURRENCY
    assert set(client.replies) == {task.id for task in tasks}
    # The killed one may have replied and not yet acked; such a reply comes again under the same identity.
    assert len(client.replies) <= 200 + CONCURRENCY


async def test_a_stopping_consumer_hands_back_what_it_cannot_finish(crew: Crew, client: Client) -> None:
    stopped = crew.start()
    tasks = await client.submit("waits", 1, 15)
    await until(lambda: crew.rows("start").total() == 1)
    began = time.monotonic()
    stopped.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stopped.wait, 25) == 0
    assert 8 < time.monotonic() - began < 16
    (record,) = await client.read(tasks)
    assert (record.leased, record.failures, record.suspect) == (False, 0, False)
    hurried = crew.start()
    await until(lambda: crew.rows("start").total() == 2)
    began = time.monotonic()
    hurried.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    hurried.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(hurried.wait, 25) == 0
    assert time.monotonic() - began < 5
    assert not (await client.read(tasks))[0].leased


async def test_work_goes_on_while_the_broker_restarts_and_is_not_run_twice(
    crew: Crew, client: Client, workspace: Workspace
) -> None:
    crew.start()
    tasks = await client.submit("waits", 24, 4)
    waiting = asyncio.create_task(client.watched(tasks, within=60))
    await until(lambda: crew.rows("start").total() == CONCURRENCY)
    workspace.servers.rabbitmq.restart()
    # A reply queue ends with its connection; who waits is told all the same.
    records = await waiting
    assert {record.state for record in records} == {State.SUCCEEDED}
    assert {record.attempt for record in records} == {1}
    assert crew.rows("start") == crew.rows("end") == dict.fromkeys(range(24), 1)


async def test_work_goes_on_while_the_store_is_away_and_is_not_run_twice(
    crew: Crew, client: Client, workspace: Workspace
) -> None:
    consumer = crew.start()
    tasks = await client.submit("waits", 24, 2)
    await until(lambda: crew.rows("start").total() == CONCURRENCY)
    workspace.servers.store.stop()
    await asyncio.sleep(5)
    assert crew.rows("end").total() == crew.rows("start").total() == CONCURRENCY
    assert consumer.poll() is None
    workspace.servers.store.start()
    workspace.servers.store.wait()
    records = await client.ended(tasks, within=60)
    assert {record.state for record in records} == {State.SUCCEEDED}
    assert {record.attempt for record in records} == {1}
    assert crew.rows("start") == crew.rows("end") == dict.fromkeys(range(24), 1)


async def test_heartbeats_go_on_while_functions_block_their_threads(crew: Crew, client: Client) -> None:
    crew.start()
    blocking = await client.submit("blocks", 1, 8)
    burning = await client.submit("burns", 1, 8)
    await until(lambda: crew.rows("start").total() == 2)
    await asyncio.sleep(6)
    assert [record.leased for record in await client.read(blocking + burning)] == [True, True]
    records = await client.ended(blocking + burning, within=20)
    assert [(record.state, record.attempt, record.lapses) for record in records] == [(State.SUCCEEDED, 1, 0)] * 2
