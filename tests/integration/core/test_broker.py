"""The broker: one suite against RabbitMQ, for what Warren builds on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

import aio_pika
import pytest
from pamqp import encode

from tests.integration.servers import Workspace
from tests.unit.core.listening_contract import ListeningContract, heard, tell
from warren.broker import Subscription
from warren.broker.amqp import AmqpBroker
from warren.broker.provision import provision
from warren.errors import BrokerUnavailableError, UnroutableError
from warren.message import Message, decode_task, encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Payload, Priority, Task, TaskOptions
from warren.topology import TASKS, Topology, delay_route, topology


async def apply(workspace: Workspace, wanted: Topology) -> list[str]:
    said: list[str] = []
    await provision(
        wanted, workspace.broker_url("warren-topology"), workspace.management_url("warren-topology"), said.append
    )
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
    task = Task(
        "predict",
        "cpu",
        Payload(b"\xff\xd8jpeg", "image/jpeg"),
        model="iris",
        options=TaskOptions(priority=Priority.HIGH, timeout_seconds=2.5, max_attempts=4),
    )
    await broker.publish(encode_task(task), exchange=TASKS, routing_key="cpu")
    assert decode_task(await one(broker, "warren.tasks.cpu"), "cpu") == task


async def test_a_publish_whose_connection_is_lost_is_refused_and_not_canceled(
    broker: AmqpBroker, workspace: Workspace
) -> None:
    await broker.open()
    workspace.servers.rabbitmq.freeze()
    publish = asyncio.create_task(broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu"))
    await asyncio.sleep(0.2)
    closing = asyncio.create_task(broker.close())  # aiormq gives up on a silent connection in the same way
    try:
        with pytest.raises(BrokerUnavailableError, match="was lost"):
            await asyncio.wait_for(publish, 3)
    finally:
        workspace.servers.rabbitmq.thaw()
        await closing


async def test_a_message_that_no_queue_is_bound_for_is_refused(broker: AmqpBroker) -> None:
    message = encode_task(Task("echo", "nowhere"))
    with pytest.raises(UnroutableError, match="topology apply"):
        await broker.publish(message, exchange=TASKS, routing_key="nowhere")
    with pytest.raises(UnroutableError, match="topology apply"):
        await broker.publish(message, exchange="warren.nowhere", routing_key="cpu")
    await broker.publish(message, exchange=TASKS, routing_key="cpu")


async def test_publishes_of_one_id_at_once_are_each_told_their_own_fate(broker: AmqpBroker) -> None:
    message = encode_task(Task("echo", "cpu"))
    keys = ["nowhere", "cpu", "nowhere", "nowhere", "cpu"]
    said = await asyncio.gather(
        *(broker.publish(message, exchange=TASKS, routing_key=key) for key in keys), return_exceptions=True
    )
    assert [type(fate) for fate in said] == [UnroutableError if key == "nowhere" else type(None) for key in keys]


async def test_a_broker_that_falls_silent_is_named_and_found_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(workspace, topology(DEFAULT_POOLS))
    monkeypatch.setattr("warren.broker.link.HEARTBEAT_SECONDS", 2)
    async with Passage(workspace.broker_url()) as passage:
        broker = AmqpBroker(passage.url)
        for _ in range(2):
            await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
        async with broker.subscribe("warren.tasks.cpu", prefetch=10) as subscription:
            passage.silent = True
            said = await asyncio.gather(*(publish_after(broker, 0.25 * number) for number in range(40)))
            assert {type(fate) for fate in said} == {BrokerUnavailableError}
            assert not subscription.consuming
            passage.silent = False
            async with asyncio.timeout(20):
                while not subscription.consuming:  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.1)
                while await publish_after(broker, 0.1):
                    pass
                count = 0
                async for delivery in subscription:
                    await delivery.ack()
                    count += 1
                    if count == 3:
                        break
        await broker.close()


async def publish_after(broker: AmqpBroker, seconds: float) -> BaseException | None:
    """Publish a task; return what was raised."""
    await asyncio.sleep(seconds)
    message = encode_task(Task("echo", "cpu"))
    try:
        await broker.publish(message, exchange=TASKS, routing_key="cpu")
    except BaseException as error:  # noqa: BLE001 - a cancellation that nobody asked for is what is looked for
        return error
    return None


class Passage:
    """A way to the broker that can fall silent without a word, as a network does that loses everything."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)
        self._parts = parts
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._ends: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._kept: list[asyncio.StreamWriter] = []
        self.silent = False
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        self.url = self._parts._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        for writer in self._kept:
            writer.close()

    def cut(self) -> None:
        """Cut all connections."""
        for pump in self._pumps:
            pump.cancel()

    def lose(self) -> None:
        """Let go of this side's connections, and leave the broker's open without a word."""
        for near, far in self._ends:
            self._kept.append(far)
            near.transport.abort()
        self._ends.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._to)
        self._ends.append((writer, back))
        for source, target in ((reader, back), (there, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.silent:
                    target.write(data)
        except ConnectionError:
            return
        finally:
            if target not in self._kept:
                target.close()


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


async def test_a_delivery_is_settled_once(broker: AmqpBroker) -> None:
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    async with asyncio.timeout(5), broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        async for delivery in subscription:
            await asyncio.gather(delivery.ack(), delivery.ack(), delivery.nack())
            break
        await broker.publish(encode_task(Task("last", "cpu")), exchange=TASKS, routing_key="cpu")
        async for delivery in subscription:
            assert delivery.message.type == "last"
            break


async def test_deliveries_that_a_lost_connection_left_behind_are_stale_and_not_handed_out(
    workspace: Workspace, broker: AmqpBroker
) -> None:
    sent = [Task("echo", "cpu") for _ in range(3)]
    for task in sent:
        await broker.publish(encode_task(task), exchange=TASKS, routing_key="cpu")
    async with Passage(workspace.broker_url()) as passage:
        other = AmqpBroker(passage.url)
        async with asyncio.timeout(30), other.subscribe("warren.tasks.cpu", prefetch=3) as subscription:
            deliveries = aiter(subscription)
            first = await anext(deliveries)
            await asyncio.sleep(0.3)
            passage.cut()
            while not first.stale:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.05)
            await first.ack()
            again = [await anext(deliveries) for _ in sent]
            assert {delivery.message.message_id for delivery in again} == {task.id for task in sent}
            for delivery in again:
                assert not delivery.stale
                await delivery.ack()
        await other.close()


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


class TestListening(ListeningContract):
    """RabbitMQ keeps the contract, for an account with no more rights than a producer's."""

    @pytest.fixture
    async def broker(self, workspace: Workspace) -> AsyncIterator[AmqpBroker]:
        await apply(workspace, topology(DEFAULT_POOLS))
        broker = AmqpBroker(workspace.broker_url("warren-producer"))
        yield broker
        await broker.close()


async def test_without_a_topology_nobody_listens(workspace: Workspace) -> None:
    broker = AmqpBroker(workspace.broker_url("warren-producer"))
    with pytest.raises(UnroutableError, match="topology apply"):
        async with broker.listen(["task.#"]):
            pass
    await broker.close()


async def test_queues_of_ones_own_come_back_while_the_broker_holds_the_lost_connection(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker still believes in the silent connection and its exclusive queues: their names are locked."""
    await apply(workspace, topology(DEFAULT_POOLS))
    monkeypatch.setattr("warren.broker.link.HEARTBEAT_SECONDS", 60)  # so that the broker does for minutes
    async with Passage(workspace.broker_url()) as passage:
        broker = AmqpBroker(passage.url)
        async with broker.replies() as (name, replies), broker.listen(["task.#"]) as events:
            passage.lose()
            async with asyncio.timeout(5):
                assert [reply async for reply in replies] == [event async for event in events] == []
        async with asyncio.timeout(10), regained(broker) as (again, replies, events):
            assert again != name
            await broker.publish(Message(b"42"), exchange="", routing_key=again)
            await tell(broker, "task.failed.echo")
            assert await heard(replies, 1) == [b"42"]
            assert await heard(events, 1) == [b"task.failed.echo"]
        await broker.close()


@asynccontextmanager
async def regained(broker: AmqpBroker) -> AsyncIterator[tuple[str, Subscription, Subscription]]:
    """Enter anew, as often as it takes."""
    while True:
        try:
            async with broker.replies() as (name, replies), broker.listen(["task.#"]) as events:
                yield name, replies, events
                return
        except BrokerUnavailableError:
            await asyncio.sleep(0.2)


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
    broker: AmqpBroker, workspace: Workspace
) -> None:
    async with broker.subscribe("warren.tasks.cpu", prefetch=1) as subscription:
        workspace.servers.rabbitmq.stop()
        while subscription.consuming:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 3
    workspace.servers.rabbitmq.start()
    workspace.servers.rabbitmq.wait()
    await settled()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://warren:secret@127.0.0.1:1/", "127.0.0.1:1"),
        ("wrong password", "refuses the credentials"),
    ],
)
async def test_a_broker_that_cannot_be_used_is_named_without_its_password(
    workspace: Workspace, url: str, words: str
) -> None:
    wrong = workspace.broker_url("warren-producer").replace("@", "secret@") if url == "wrong password" else url
    broker = AmqpBroker(wrong)
    async with asyncio.timeout(4):
        with pytest.raises(BrokerUnavailableError, match=words) as caught:
            await broker.publish(Message(b""), exchange=TASKS, routing_key="cpu")
    assert "secret" not in caught.value.detail


async def test_a_message_keeps_the_time_of_its_first_publish(broker: AmqpBroker) -> None:
    published = time.time()
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
    first = await one(broker, "warren.tasks.cpu")
    assert first.timestamp is not None
    assert published - 1 <= first.timestamp <= published + 1
    old = replace(first, timestamp=1_000_000_000, headers={**first.headers, "warren-expires-seconds": 60})
    await broker.publish(old, exchange=TASKS, routing_key="cpu")
    assert decode_task(await one(broker, "warren.tasks.cpu"), "cpu").deadline == 1_000_000_060


async def test_a_message_that_is_no_utf8_does_not_block_its_queue(
    broker: AmqpBroker, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await aio_pika.connect(workspace.broker_url())
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(TASKS, ensure=False)
        encode_text = encode.METHODS["shortstr"]
        with monkeypatch.context() as patch:
            patch.setitem(
                encode.METHODS, "shortstr", lambda text: b"\x02\xff\xfe" if text == "broken" else encode_text(text)
            )
            await exchange.publish(aio_pika.Message(b"{}", message_id="1", type="broken"), "cpu")
        await exchange.publish(aio_pika.Message(b"{}", message_id="2", type="echo"), "cpu")
    first, second = await one(broker, "warren.tasks.cpu"), await one(broker, "warren.tasks.cpu")
    assert [(first.message_id, first.type), (second.message_id, second.type)] == [("1", "??"), ("2", "echo")]
