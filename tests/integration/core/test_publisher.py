"""Publishes, many at once: each ends, confirmed or with an error, whatever becomes of the broker and its channel."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelClosed

from tests.integration.servers import Workspace
from warren.broker.amqp import AmqpBroker
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import Message

QUEUE = "warren.test"
WRITTEN_SECONDS = 3
"""What is declared, RabbitMQ confirms at once and writes down within two seconds (Erlang's disk_log)."""
Fate = BaseException | None


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    await declare(workspace, QUEUE, {"x-queue-type": "quorum"})
    broker = AmqpBroker(workspace.broker_url())
    yield broker
    await broker.close()


async def declare(workspace: Workspace, name: str, arguments: dict[str, str | int]) -> None:
    async with await aio_pika.connect(workspace.broker_url()) as connection:
        await (await connection.channel()).declare_queue(name, durable=True, arguments=dict(arguments))


async def publish(broker: AmqpBroker, number: int, *, queue: str = QUEUE, exchange: str = "") -> Fate:
    message = Message(b"x" * 100, message_id=str(number))
    try:
        await broker.publish(message, exchange=exchange, routing_key=queue)
    except (BrokerUnavailableError, UnroutableError) as error:
        return error
    return None


async def taken(workspace: Workspace, queue: str = QUEUE) -> list[aio_pika.abc.AbstractIncomingMessage]:
    async with await aio_pika.connect(workspace.broker_url()) as connection:
        channel = await connection.channel()
        source, found = await channel.get_queue(queue), []
        while (message := await source.get(no_ack=True, fail=False)) is not None:
            found.append(message)
    return found


async def test_a_thousand_at_once_are_each_confirmed_once(workspace: Workspace, broker: AmqpBroker) -> None:
    async with asyncio.timeout(20):
        assert set(await asyncio.gather(*(publish(broker, number) for number in range(1000)))) == {None}
    assert sorted(int(message.message_id or "") for message in await taken(workspace)) == list(range(1000))


async def test_the_broker_killed_with_a_thousand_under_way(workspace: Workspace, broker: AmqpBroker) -> None:
    # Of a classic queue: RabbitMQ 3.10 loses a quorum queue that was declared in the moment before it is killed.
    await declare(workspace, "warren.classic", {})
    await asyncio.sleep(WRITTEN_SECONDS)
    confirmed = await asyncio.gather(*(publish(broker, number, queue="warren.classic") for number in range(200)))
    workspace.servers.rabbitmq.freeze()
    fates = [asyncio.create_task(publish(broker, number, queue="warren.classic")) for number in range(200, 1200)]
    await asyncio.sleep(0.1)
    workspace.servers.rabbitmq.kill()
    async with asyncio.timeout(8):
        assert {type(fate) for fate in await asyncio.gather(*fates)} == {BrokerUnavailableError}
    workspace.servers.rabbitmq.start()
    workspace.servers.rabbitmq.wait()
    await until_it_is_back(workspace, "warren.classic", seconds=60)
    async with asyncio.timeout(30):
        while await publish(broker, 5000, queue="warren.classic") is not None:  # noqa: ASYNC110 - until we are back
            await asyncio.sleep(0.2)
    there = {message.message_id for message in await taken(workspace, "warren.classic")}
    assert set(confirmed) == {None}
    assert {str(number) for number in range(200)} <= there
    await asyncio.sleep(3)  # a started broker finds its queues; deleting the virtual host now would disturb it


async def until_it_is_back(workspace: Workspace, queue: str, seconds: float) -> None:
    """Return when the broker that was started serves the queue; raise what it says when it takes too long."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            async with await aio_pika.connect(workspace.broker_url()) as connection:
                await (await connection.channel()).get_queue(queue)
        except (*CONNECTION_EXCEPTIONS, ChannelClosed):
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def test_a_full_queue_refuses_and_the_others_go_on(workspace: Workspace, broker: AmqpBroker) -> None:
    await declare(workspace, "warren.full", {"x-max-length": 3, "x-overflow": "reject-publish"})
    async with asyncio.timeout(20):
        fates = await asyncio.gather(
            *(publish(broker, number, queue="warren.full" if number % 2 else QUEUE) for number in range(100))
        )
    refused = [str(fate) for fate in fates[1::2] if fate is not None]
    assert set(fates[::2]) == {None}
    assert len(refused) == 47
    assert all("queue is full" in said for said in refused)


async def test_returned_messages_are_named_among_others_that_are_taken(broker: AmqpBroker) -> None:
    async with asyncio.timeout(20):
        fates = await asyncio.gather(
            *(publish(broker, number, queue="warren.nowhere" if number % 3 == 0 else QUEUE) for number in range(300))
        )
    assert {type(fate) for fate in fates[::3]} == {UnroutableError}
    assert {type(fate) for number, fate in enumerate(fates) if number % 3} == {type(None)}


async def test_a_channel_that_the_broker_closes_ends_what_is_under_way_and_is_opened_anew(broker: AmqpBroker) -> None:
    await broker.open()
    async with asyncio.timeout(20):
        fates = await asyncio.gather(
            *(publish(broker, number, exchange="warren.no-such" if number == 50 else "") for number in range(100))
        )
        assert isinstance(fates[50], UnroutableError)
        assert {type(fate) for number, fate in enumerate(fates) if number != 50} <= {type(None), BrokerUnavailableError}
        assert await publish(broker, 1000) is None


@pytest.mark.parametrize("size", [0, 131_072 - 8, 131_072 - 7, 3_000_000])
async def test_bodies_of_several_frames_arrive_whole_among_others(
    workspace: Workspace, broker: AmqpBroker, size: int
) -> None:
    body = os.urandom(size)
    large = broker.publish(Message(body, message_id="large"), exchange="", routing_key=QUEUE)
    await asyncio.gather(publish(broker, 1), large, publish(broker, 2))
    found = {message.message_id: message.body for message in await taken(workspace)}
    assert found == {"1": b"x" * 100, "large": body, "2": b"x" * 100}


async def test_a_caller_that_gives_up_disturbs_no_other(workspace: Workspace, broker: AmqpBroker) -> None:
    await broker.open()
    fates = [asyncio.create_task(publish(broker, number)) for number in range(200)]
    await asyncio.sleep(0)
    for fate in fates[::2]:
        fate.cancel()
    async with asyncio.timeout(10):
        ended = await asyncio.gather(*fates, return_exceptions=True)
        assert set(ended[1::2]) == {None}
        assert {type(fate) for fate in ended[::2]} == {asyncio.CancelledError}
        assert await publish(broker, 1000) is None
    assert {str(number) for number in range(1, 200, 2)} <= {message.message_id for message in await taken(workspace)}


async def test_closing_ends_what_is_under_way(workspace: Workspace, broker: AmqpBroker) -> None:
    await broker.open()
    workspace.servers.rabbitmq.freeze()
    fates = [asyncio.create_task(publish(broker, number)) for number in range(1000)]
    await asyncio.sleep(0.2)
    closing = asyncio.create_task(broker.close())
    try:
        async with asyncio.timeout(8):
            assert {type(fate) for fate in await asyncio.gather(*fates)} == {BrokerUnavailableError}
    finally:
        workspace.servers.rabbitmq.thaw()
        await closing
