"""The consumer as a process: its health, its exit, and the system pool beside it."""

from __future__ import annotations

import asyncio

from tests.integration.consumer.conftest import Client, apply_topology, until
from tests.integration.consumer.crew import Crew, ask, dependencies
from tests.integration.servers import Workspace, free_port
from warren.message import Message
from warren.record import State
from warren.tasks import new_task_id
from warren.topology import TASKS


async def test_a_consumer_waits_for_its_queue_and_says_what_to_do(crew: Crew, workspace: Workspace) -> None:
    port = free_port()
    consumer = crew.start(WARREN_METRICS_PORT=str(port))
    await until(lambda: "warren topology apply" in dependencies(port).get("consuming", ""))
    assert ask(port, "/readyz")[0] == 503
    assert ask(port, "/healthz")[0] == 200
    assert "warren topology apply" in crew.log(consumer)
    await apply_topology(workspace)
    await until(lambda: ask(port, "/readyz")[0] == 200)
    assert 'warren_consumer_slots{pool="cpu"} 8.0' in ask(port, "/metrics")[1]


async def test_wrong_credentials_end_it_with_one_line(crew: Crew, workspace: Workspace) -> None:
    address = workspace.broker_url("warren-consumer").rpartition("@")[2]
    wrong = crew.start(WARREN_BROKER_URL=f"amqp://warren-consumer:wrong@{address}")
    assert await asyncio.to_thread(wrong.wait, 20) == 1
    assert crew.log(wrong).splitlines()[-1].startswith("warren-consumer: the broker at")
    assert "refuses the credentials" in crew.log(wrong)


async def test_a_wrong_setting_ends_it_with_one_line(crew: Crew) -> None:
    wrong = crew.start(WARREN_CONCURENCY="8")
    assert await asyncio.to_thread(wrong.wait, 20) == 2
    assert crew.log(wrong).startswith("warren-consumer: WARREN_CONCURENCY: unknown")
    assert len(crew.log(wrong).splitlines()) == 1


async def test_a_message_that_is_no_task_becomes_a_failed_record(crew: Crew, client: Client) -> None:
    crew.start()
    port = free_port()
    crew.start("system", WARREN_METRICS_PORT=str(port))
    task_id = new_task_id()
    strange = Message(b"what?", message_id=task_id, type="waits", headers={"warren-timeout-seconds": "soon"})
    await client.broker.publish(strange, exchange=TASKS, routing_key="cpu")
    record = None
    async with asyncio.timeout(20):
        while record is None or not record.state.terminal:
            await asyncio.sleep(0.1)
            (record,) = await client.records.read([task_id])
    assert record.error is not None
    assert (record.state, record.error.code) == (State.FAILED, "invalid-message")
    assert "warren-timeout-seconds" in record.error.message
    await until(lambda: ask(port, "/readyz")[0] == 200)


async def test_the_system_pool_sends_the_replies_that_nobody_sent(crew: Crew, client: Client) -> None:
    crew.start("system")
    (task,) = await client.submit("waits", 1, 1)
    await client.records.cancel(task.id)
    await until(lambda: client.replies == [task.id], 20)
