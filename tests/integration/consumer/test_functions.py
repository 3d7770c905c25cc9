"""Functions in a real consumer: child processes that end when they must, progress, cancels, names that nobody knows."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from tests.integration.consumer.conftest import Client, until
from tests.integration.consumer.crew import Crew, ask, dependencies
from tests.integration.servers import free_port
from warren.message import encode_task
from warren.record import State
from warren.tasks import Task
from warren.topology import TASKS
from warren_consumer.worker import HOPS_HEADER, MAX_HOPS

USUAL_LEASE = {"WARREN_LEASE_SECONDS": "30"}


def alive(pid: int) -> bool:
    """Tell whether the process is more than an entry that waits to be read."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def started(crew: Crew, number: int) -> list[int]:
    """Wait until so many runs have started; return their processes."""
    await until(lambda: len(crew.pids("start")) == number)
    return crew.pids("start")


async def test_a_child_that_is_killed_costs_its_task_one_attempt_and_its_neighbours_nothing(
    crew: Crew, client: Client
) -> None:
    consumer = crew.start()
    tasks = await client.submit("spins", 2, 4)
    killed, neighbour = await started(crew, 2)
    os.kill(killed, signal.SIGKILL)
    records = await client.ended(tasks, within=30)
    assert [record.state for record in records] == [State.SUCCEEDED] * 2
    assert sorted(record.failures for record in records) == [0, 1]
    assert crew.pids("end").count(neighbour) >= 1
    assert consumer.poll() is None
    assert "child-died" in crew.log(consumer) or "was ended by SIGKILL" in crew.log(consumer)


async def test_what_would_end_the_process_costs_its_task_only(crew: Crew, client: Client) -> None:
    consumer = crew.start()
    leaves = await client.submit("leaves", 1, 0)
    waits = await client.submit("waits", 1, 0)
    failed, succeeded = await client.ended([*leaves, *waits], within=30)
    assert (failed.state, succeeded.state) == (State.FAILED, State.SUCCEEDED)
    assert "SystemExit" in (failed.error.message if failed.error else "")
    assert consumer.poll() is None


async def test_a_consumer_that_is_killed_takes_its_children_along(crew: Crew, client: Client) -> None:
    consumer = crew.start()
    tasks = await client.submit("spins", 2, 5)
    pids = await started(crew, 2)
    consumer.send_signal(signal.SIGKILL)
    await until(lambda: not any(map(alive, pids)), 2)
    crew.start()
    records = await client.ended(tasks, within=40)
    assert [(record.state, record.failures) for record in records] == [(State.SUCCEEDED, 0)] * 2


async def test_a_retry_comes_after_the_delay_that_the_function_asked_for(crew: Crew, client: Client) -> None:
    crew.start()
    tasks = await client.submit("asks_again", 1, 3)
    await started(crew, 1)
    began = time.monotonic()
    async with asyncio.timeout(2):
        while (retrying := (await client.read(tasks))[0]).state is not State.RETRYING:  # noqa: ASYNC110 - see `until`
            await asyncio.sleep(0.05)
    assert retrying.error is not None
    assert (retrying.error.code, retrying.error.message) == ("retry", "not yet")
    await started(crew, 2)
    assert 2.8 < time.monotonic() - began < 4.5
    (record,) = await client.ended(tasks, within=5)
    assert (record.state, record.failures, record.attempt) == (State.SUCCEEDED, 1, 2)


async def test_a_busy_loop_ends_at_its_time_limit(crew: Crew, client: Client) -> None:
    crew.start()
    tasks = await client.submit("overruns", 1, 300)
    (pid,) = await started(crew, 1)
    began = time.monotonic()
    await until(lambda: not alive(pid), 10)
    assert 0.5 < time.monotonic() - began < 6
    (record,) = await client.ended(tasks, within=10)
    assert record.error is not None
    assert (record.state, record.error.code) == (State.FAILED, "timeout")


async def test_progress_is_in_the_record_within_seconds_and_a_cancel_ends_the_child_within_ten(
    crew: Crew, client: Client
) -> None:
    consumer = crew.start(**USUAL_LEASE)
    (task,) = await client.submit("spins", 1, 300)
    (pid,) = await started(crew, 1)
    async with asyncio.timeout(2.5):
        while (await client.read([task]))[0].progress is None:  # noqa: ASYNC110 - see `until`
            await asyncio.sleep(0.1)
    began = time.monotonic()
    await client.records.cancel(task.id)
    await until(lambda: not alive(pid), 10)
    print(f"a canceled child was gone after {time.monotonic() - began:.1f} s")  # noqa: T201
    (record,) = await client.ended([task], within=5)
    assert record.state is State.CANCELED
    (other,) = await client.ended(await client.submit("waits", 1, 0), within=10)
    assert other.state is State.SUCCEEDED
    assert consumer.poll() is None


async def test_a_function_has_others_called_with_its_consumers_own_account(crew: Crew, client: Client) -> None:
    consumer = crew.start()
    (record,) = await client.ended(await client.submit("forwards", 1, 0), within=30)
    assert (record.state, record.result) == (State.SUCCEEDED, b"1"), crew.log(consumer)
    assert (crew.rows("start"), crew.rows("end")) == ({0: 1, 1: 1}, {1: 1})


async def test_a_stopping_consumer_hands_back_what_a_child_cannot_finish(crew: Crew, client: Client) -> None:
    consumer = crew.start(WARREN_GRACE_SECONDS="12")
    tasks = await client.submit("spins", 1, 300)
    (pid,) = await started(crew, 1)
    consumer.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(consumer.wait, 15) == 0
    assert not alive(pid)
    (record,) = await client.read(tasks)
    assert (record.leased, record.failures, record.suspect) == (False, 0, False)


async def test_a_consumer_whose_threads_are_stuck_says_so_and_ends_to_be_replaced(crew: Crew, client: Client) -> None:
    port = free_port()
    consumer = crew.start(WARREN_CONCURRENCY="1", WARREN_GRACE_SECONDS="10", WARREN_METRICS_PORT=str(port))
    (stuck,) = await client.submit("sticks", 1, 300)
    waiting = await client.submit("waits", 1, 30)
    assert await asyncio.to_thread(consumer.wait, 60) == 1
    assert "1 plain functions run on in their threads" in crew.log(consumer).splitlines()[-1]
    assert (await client.read([stuck]))[0].state is State.FAILED
    assert not (await client.read(waiting))[0].leased
    assert ask(port, "/readyz")[0] == 0
    assert not dependencies(port)


async def test_a_task_that_nobody_knows_goes_round_slowly_and_ends_with_the_names_that_are_known(
    crew: Crew, client: Client
) -> None:
    port = free_port()
    crew.start(WARREN_METRICS_PORT=str(port))
    await until(lambda: ask(port, "/readyz")[0] == 200)
    fresh, late = (Task("no_such_task", "cpu") for _ in range(2))
    await client.broker.publish(encode_task(fresh), exchange=TASKS, routing_key="cpu")
    message = encode_task(late)
    message = replace(message, headers={**message.headers, HOPS_HEADER: MAX_HOPS - 2})
    began = time.monotonic()
    await client.broker.publish(message, exchange=TASKS, routing_key="cpu")
    record = None
    async with asyncio.timeout(40):
        while record is None or not record.state.terminal:
            await asyncio.sleep(0.2)
            (record,) = await client.records.read([late.id])
    # Its last two rounds take 8 s and 16 s; it is claimed once, to be refused.
    assert 24 <= time.monotonic() - began < 32
    assert (await client.records.read([fresh.id])) == [None]
    assert 'warren_consumer_claims_total{pool="cpu",verdict="claimed"} 1.0' in ask(port, "/metrics")[1]
    assert record.error is not None
    assert (record.state, record.error.code) == (State.FAILED, "unroutable")
    assert "no_such_task" in record.error.message
    for name in ("echo", "waits", "spins", "predict"):
        assert name in record.error.message
