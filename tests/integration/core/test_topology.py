"""The topology on a real broker: created, checked, upgraded."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import aio_pika
import pytest

from tests.integration.servers import Workspace
from tools.stack import web
from warren.broker import Depth
from warren.broker.amqp import AmqpBroker
from warren.broker.depths import depths
from warren.broker.plan import Plan, Verdict
from warren.broker.provision import provision, survey
from warren.errors import BrokerUnavailableError, TopologyError
from warren.message import decode_task, encode_task
from warren.pool import DEFAULT_POOLS, Pool, PoolKind
from warren.tasks import Payload, Task
from warren.topology import DELIVERY_LIMIT, TASKS, Binding, Policy, Queue, Topology, delay_route, topology

WANTED = topology(DEFAULT_POOLS)


def urls(workspace: Workspace) -> tuple[str, str]:
    """Return the broker's and its management API's addresses, as the one user that may change the topology."""
    return workspace.broker_url("warren-topology"), workspace.management_url("warren-topology")


async def apply(workspace: Workspace, wanted: Topology = WANTED) -> list[str]:
    """Apply a topology; return what was said."""
    said: list[str] = []
    await provision(wanted, *urls(workspace), said.append)
    return said


async def look(workspace: Workspace, wanted: Topology = WANTED) -> Plan:
    """Return how the topology stands."""
    return await survey(wanted, *urls(workspace))


async def declare(workspace: Workspace, queue: Queue) -> None:
    """Declare a queue as somebody else did long ago."""
    connection = await aio_pika.connect(workspace.broker_url())
    async with connection, connection.channel() as channel:
        await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))


async def bind(workspace: Workspace, binding: Binding, *, away: bool = False) -> None:
    """Make a binding between exchanges or to a queue, or take it away."""
    connection = await aio_pika.connect(workspace.broker_url())
    async with connection, connection.channel() as channel:
        get = channel.get_exchange if binding.to_exchange else channel.get_queue
        target = await get(binding.destination, ensure=False)
        await (target.unbind if away else target.bind)(binding.source, binding.routing_key)


def manage(workspace: Workspace, method: str, path: str, body: object = None) -> None:
    """Change something over the management API, as the administrator."""
    answer = web.call(method, f"{workspace.management_url()}api/{path}", body)
    assert answer.status < 300, answer.body


async def test_on_an_empty_broker_everything_is_made_and_a_second_run_changes_nothing(workspace: Workspace) -> None:
    said = await apply(workspace)
    assert "created queue warren.tasks.cpu" in said
    assert "created policy warren-tasks" in said
    assert (await look(workspace)).complete
    (nothing,) = await apply(workspace)
    assert nothing.endswith("0 were created or changed")


async def test_a_pool_that_is_added_later_gets_its_delayed_tasks(workspace: Workspace) -> None:
    await apply(workspace)
    more = topology([*DEFAULT_POOLS, Pool(name="late")])
    assert len((await look(workspace, more)).to_do) == 6
    await apply(workspace, more)
    broker = AmqpBroker(workspace.broker_url())
    exchange, key = delay_route(1, "late")
    await broker.publish(encode_task(Task("echo", "late")), exchange=exchange, routing_key=key)
    async with asyncio.timeout(5), broker.subscribe("warren.tasks.late", prefetch=1) as subscription:
        async for delivery in subscription:
            await delivery.ack()
            break
    await broker.close()


async def test_what_is_missing_or_old_is_mended(workspace: Workspace) -> None:
    await apply(workspace)
    gone = Binding(TASKS, "warren.tasks.cpu", "cpu")
    former = Binding("warren.delay.5", "warren.delay.5", "*.1.#")
    await bind(workspace, gone, away=True)
    await bind(workspace, former)
    old = {"pattern": "^warren.tasks", "definition": {"delivery-limit": 20}, "apply-to": "queues", "priority": 0}
    manage(workspace, "PUT", f"policies/{quote(workspace.name)}/warren-tasks", old)
    plan = await look(workspace)
    assert {step.verdict: step.thing for step in plan.to_do} == {
        Verdict.MISSING: gone,
        Verdict.MISROUTES: former,
        Verdict.DIFFERS: WANTED.policies[0],
    }
    said = await apply(workspace)
    assert any(f"delivery-limit 20 -> {DELIVERY_LIMIT}" in line for line in said)
    assert any(line.startswith("removed binding warren.delay.5 -> warren.delay.5 [*.1.#]") for line in said)
    assert (await look(workspace)).complete


async def test_conflicts_are_said_after_all_else_was_done_and_nothing_of_them_is_touched(workspace: Workspace) -> None:
    await declare(workspace, Queue("warren.tasks.cpu", {"x-queue-type": "quorum", "x-overflow": "drop-head"}))
    broker = AmqpBroker(workspace.broker_url())
    await broker.publish(encode_task(Task("echo", "cpu")), exchange="", routing_key="warren.tasks.cpu")
    await broker.close()
    with pytest.raises(TopologyError) as caught:
        await apply(workspace)
    assert "x-overflow is drop-head, wanted is reject-publish" in caught.value.detail
    assert "warren pools move cpu OTHER" in caught.value.detail
    plan = await look(workspace)
    assert not plan.to_do
    (conflict,) = plan.conflicts
    assert "messages: 1" in conflict.detail


async def test_an_exchange_of_another_type_is_a_conflict(workspace: Workspace) -> None:
    manage(workspace, "PUT", f"exchanges/{workspace.name}/{TASKS}", {"type": "topic", "durable": True})
    with pytest.raises(TopologyError, match=r"warren\.tasks: it is of type topic, wanted is direct"):
        await apply(workspace)


async def test_a_queue_without_a_pool_is_told_with_what_it_holds(workspace: Workspace) -> None:
    await apply(workspace)
    broker = AmqpBroker(workspace.broker_url())
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    await broker.close()
    fewer = topology(DEFAULT_POOLS[1:])
    (_, _, orphan) = (await look(workspace, fewer)).notes
    assert (orphan.name, orphan.advice[0]) == ("warren.tasks.cpu", "warren pools move cpu NEW")
    assert "messages: 1" in orphan.detail
    assert any(line.startswith("note: orphaned queue warren.tasks.cpu") for line in await apply(workspace, fewer))


async def test_a_policy_that_is_refused_says_so(workspace: Workspace) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"warren-tasks.*no-such-key"):
        await apply(workspace, Topology((), (), (), (Policy("warren-tasks", ".*", {"no-such-key": 1}),)))


async def test_an_account_that_may_not_ask_is_told_apart_from_a_broker_that_is_away(workspace: Workspace) -> None:
    broker, management = urls(workspace)
    with pytest.raises(BrokerUnavailableError, match=r"refuses GET .* to 'warren-topology': 401") as caught:
        await survey(WANTED, broker, management.replace("@", "wrong@"))
    assert caught.value.retry_after is None
    with pytest.raises(BrokerUnavailableError, match="does not answer"):
        await survey(WANTED, broker, "http://warren-topology:secret@127.0.0.1:1/")


def test_the_commands(workspace: Workspace) -> None:
    broker, management = urls(workspace)
    environment = os.environ | {"WARREN_BROKER_URL": broker, "WARREN_BROKER_MANAGEMENT_URL": management}

    def run(*arguments: str) -> tuple[int, str]:
        warren = str(Path(sys.executable).with_name("warren"))
        done = subprocess.run([warren, *arguments], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    code, said = run("topology", "check", "-o", "json")
    assert (code, json.loads(said)["complete"]) == (1, False)
    code, said = run("topology", "apply", "--dry-run")
    assert (code, "missing queue warren.tasks.cpu\n" in said) == (0, True)
    assert run("topology", "apply")[0] == 0
    code, said = run("topology", "check")
    assert (code, said.splitlines()) == (0, [f"ok: {said.split()[-1]} of {said.split()[-1]}"])
    manage(workspace, "DELETE", f"queues/{workspace.name}/warren.tasks.cpu")
    code, said = run("topology", "check")
    assert (code, said.splitlines()[0]) == (1, "missing queue warren.tasks.cpu")
    assert run("topology", "apply")[0] == 0


async def test_a_pool_that_is_gone_is_emptied_into_another(workspace: Workspace) -> None:
    broker, management = urls(workspace)
    names = ("WARREN_BROKER_URL", "WARREN_BROKER_MANAGEMENT_URL", "WARREN_POOLS", "WARREN_RECORDS_URL")

    async def run(*arguments: str) -> tuple[int, str]:
        environment = os.environ | dict(
            zip(names, (broker, management, "new long:train", workspace.records_url), strict=True)
        )
        warren = Path(sys.executable).with_name("warren")
        process = await asyncio.create_subprocess_exec(
            warren, *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    await apply(workspace, topology([Pool(name="old"), Pool(name="new"), Pool(name="long", kind=PoolKind.TRAIN)]))
    client = AmqpBroker(workspace.broker_url())
    tasks = [Task("echo", "old", Payload(b'{"n": 1}')) for _ in range(120)]
    for task in tasks:
        await client.publish(encode_task(task), exchange=TASKS, routing_key="old")
    code, said = await run("pools", "list", "-o", "json")
    assert {"pool": "old", "kind": None, "state": "orphaned", "tasks": 120, "dead_letters": 0} in json.loads(said)
    assert await run("pools", "move", "old", "new", "--dry-run") == (0, "120 tasks would be moved from old to new\n")
    code, said = await run("pools", "move", "old", "long")
    assert (code, "'old' is of kind serve, 'long' of kind train" in said) == (2, True)
    assert (await run("pools", "move", "old", "nowhere"))[0] == 2
    assert (await run("pools", "move", "gone", "new"))[0] == 3
    assert "20 tasks were moved" in (await run("pools", "move", "old", "new", "--limit", "20"))[1]
    assert "100 tasks were moved" in (await run("pools", "move", "old", "new"))[1]
    arrived = []
    async with asyncio.timeout(10), client.subscribe("warren.tasks.new", prefetch=200) as subscription:
        async for delivery in subscription:
            arrived.append(decode_task(delivery.message, "new"))
            await delivery.ack()
            if len(arrived) == len(tasks):
                break
    assert {task.id: task.payload for task in arrived} == {task.id: task.payload for task in tasks}
    assert await depths(workspace.broker_url(), ["warren.tasks.old"]) == {"warren.tasks.old": Depth(0, 0)}
    await client.close()
