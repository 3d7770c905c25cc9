"""The broker: one suite against RabbitMQ, for what Warren builds on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.errors import BrokerUnavailableError, TopologyError, UnroutableError
from warren.message import Message, decode_task, encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Payload, Priority, Task, TaskOptions
from warren.topology import TASKS, Policy, Queue, Topology, delay_route, topology


async def apply(workspace: Workspace, wanted: Topology) -> list[str]:
    said: list[str] = []
    await provision(wanted, workspace.broker_url("warren-topology"), workspace.management_url("warren-topology"),
                    said.append)
    return said


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    await apply(workspace, topology(DEFAULT_POOLS))
    broker = AmqpBroker(workspace.broker_url())
    yield broker
    await broker.close()


async def settled() -> None:
    """Let a started broker find its queues: deleting the virtual host now would crash its dead-letter supervisor."""
    await asyncio.sleep(3)


async def one(broker: AmqpBroker, queue: str, *, within: float = 5) -> Message:
    async with asyncio.timeout(within), broker.subscribe(queue, prefetch=1) as subscription:
        async for delivery in subscription:
            await delivery.ack()
            return delivery.message
    raise AssertionError


async def test_a_task_arrives_as_it_was_sent(broker: AmqpBroker) -> None:
    task = Task("predict", "cpu", Payload(b"\xff\xd8jpeg", "image/jpeg"), model="iris",
                options=TaskOptions(priority=Priority.HIGH, timeout_seconds=2.5, max_attempts=4))
    await broker.publish(encode_task(task), exchange=TASKS, routing_key="cpu")
    assert decode_task(await one(broker, "warren.tasks.cpu"), "cpu") == task


async def test_applying_twice_changes_nothing(workspace: Workspace) -> None:
    assert await apply(workspace, topology(DEFAULT_POOLS)) == await apply(workspace, topology(DEFAULT_POOLS))


async def test_other_arguments_are_refused_with_what_to_do(workspace: Workspace) -> None:
    await apply(workspace, topology(DEFAULT_POOLS))
    other = Topology((), (Queue("warren.tasks.cpu", {"x-queue-type": "quorum"}),), (), ())
    with pytest.raises(TopologyError, match=r"warren\.tasks\.cpu.*delete it and apply again"):
        await apply(workspace, other)


async def test_a_policy_that_is_refused_says_so(workspace: Workspace) -> None:
    with pytest.raises(BrokerUnavailableError, match="warren-tasks"):
        await apply(workspace, Topology((), (), (), (Policy("warren-tasks", ".*", {"no-such-key": 1}),)))


async def test_a_message_that_no_queue_is_bound_for_is_refused(broker: AmqpBroker) -> None:
    message = encode_task(Task("echo", "nowhere"))
    with pytest.raises(UnroutableError, match="topology apply"):
        await broker.publish(message, exchange=TASKS, routing_key="nowhere")
    with pytest.raises(UnroutableError, match="topology apply"):
        await broker.publish(message, exchange="warren.nowhere", routing_key="cpu")
    await broker.publish(message, exchange=TASKS, routing_key="cpu")


async def test_a_queue_that_is_missing_is_named(broker: AmqpBroker) -> None:
    with pytest.raises(UnroutableError, match=r"warren\.tasks\.nowhere"):
        async with broker.subscribe("warren.tasks.nowhere", prefetch=1):
            pass


@pytest.mark.parametrize("seconds", [1, 3])
async def test_a_delay_is_met_on_the_pools_queue(broker: AmqpBroker, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    exchange, key = delay_route(seconds, "cpu")
    sent = loop.time()
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=exchange, routing_key=key)
    await one(broker, "warren.tasks.cpu", within=seconds + 3)
    assert seconds - 0.05 <= loop.time() - sent <= seconds * 1.01 + 1


async def test_what_was_not_acknowledged_is_handed_out_again(broker: AmqpBroker) -> None:
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    async with asyncio.timeout(5), broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        async for delivery in subscription:
            assert not delivery.redelivered
            await delivery.nack()
            break
    async with asyncio.timeout(5), broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        async for delivery in subscription:
            assert delivery.redelivered
            break


async def test_stopping_puts_back_what_nobody_has_seen(broker: AmqpBroker) -> None:
    for _ in range(5):
        await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    async with asyncio.timeout(5), broker.subscribe("warren.tasks.cpu", prefetch=5) as subscription:
        await asyncio.sleep(0.3)
        assert subscription.consuming
        await subscription.stop()
        assert not subscription.consuming
    for _ in range(5):
        await one(broker, "warren.tasks.cpu")


async def test_a_reply_comes_to_the_queue_of_its_own(broker: AmqpBroker) -> None:
    async with asyncio.timeout(5), broker.replies() as (name, replies):
        await broker.publish(Message(b"42", correlation_id="x"), exchange="", routing_key=name, mandatory=False)
        async for reply in replies:
            assert (reply.message.body, reply.message.correlation_id) == (b"42", "x")
            break
    await broker.publish(Message(b"late"), exchange="", routing_key=name, mandatory=False)


async def test_consuming_goes_on_after_the_broker_was_restarted(broker: AmqpBroker, workspace: Workspace) -> None:
    async with asyncio.timeout(90), broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        assert subscription.consuming
        await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
        workspace.servers.rabbitmq.restart()
        while not subscription.consuming:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)
        async for delivery in subscription:
            await delivery.ack()
            break
    await settled()


async def test_leaving_a_subscription_takes_a_bounded_time_while_the_broker_is_away(
        broker: AmqpBroker, workspace: Workspace) -> None:
    async with broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        workspace.servers.rabbitmq.stop()
        while subscription.consuming:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 3
    workspace.servers.rabbitmq.start()
    workspace.servers.rabbitmq.wait()
    await settled()


@pytest.mark.parametrize(("url", "words"), [
    ("amqp://warren:secret@127.0.0.1:1/", "127.0.0.1:1"),
    ("wrong password", "refuses the credentials"),
])
async def test_a_broker_that_cannot_be_used_is_named_without_its_password(
        workspace: Workspace, url: str, words: str) -> None:
    wrong = workspace.broker_url("warren-producer").replace("@", "secret@") if url == "wrong password" else url
    broker = AmqpBroker(wrong)
    async with asyncio.timeout(4):
        with pytest.raises(BrokerUnavailableError, match=words) as caught:
            await broker.publish(Message(b""), exchange=TASKS, routing_key="cpu")
    assert "secret" not in caught.value.detail
