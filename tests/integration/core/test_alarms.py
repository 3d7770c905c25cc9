"""What RabbitMQ refuses or withholds is an error in time, and its queues tell how much waits in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.integration.core.test_broker import apply
from tests.integration.servers import Workspace, control
from tests.unit.core.depth_contract import DepthContract, becomes
from warren.broker.amqp import AmqpBroker
from warren.errors import BrokerUnavailableError
from warren.message import encode_task
from warren.pool import DEFAULT_POOLS
from warren.tasks import Task
from warren.topology import TASKS, topology


@pytest.fixture(name="broker")
async def _broker(workspace: Workspace) -> AsyncIterator[AmqpBroker]:
    """A broker as the producer reaches it: it may configure nothing."""
    await apply(workspace, topology(DEFAULT_POOLS))
    broker = AmqpBroker(workspace.broker_url("warren-producer"))
    yield broker
    await broker.close()


@contextmanager
def memory_alarm(workspace: Workspace) -> Iterator[None]:
    """Let the broker be short of memory inside the block."""
    control(workspace.servers, "set_vm_memory_high_watermark", "0.000001")
    try:
        yield
    finally:
        control(workspace.servers, "set_vm_memory_high_watermark", "0.4")


async def publish(broker: AmqpBroker) -> None:
    await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")


async def accepted(broker: AmqpBroker) -> bool:
    """Publish; tell whether the broker took it."""
    try:
        await publish(broker)
    except BrokerUnavailableError:
        return False
    return True


async def refused(broker: AmqpBroker) -> tuple[str, float]:
    """Publish; return what the refusal says and after how many seconds it came."""
    start = time.monotonic()
    with pytest.raises(BrokerUnavailableError) as caught:
        await publish(broker)
    return caught.value.detail, time.monotonic() - start


class TestAmqpDepth(DepthContract):
    """RabbitMQ's."""

    @pytest.fixture
    async def broker(self, workspace: Workspace) -> AsyncIterator[AmqpBroker]:
        await apply(workspace, topology(DEFAULT_POOLS))
        broker = AmqpBroker(workspace.broker_url())
        yield broker
        await broker.close()


async def test_depths_are_told_again_after_the_broker_was_restarted(broker: AmqpBroker, workspace: Workspace) -> None:
    await publish(broker)
    await becomes(broker, ready=1, consumers=0)
    workspace.servers.rabbitmq.kill()
    with pytest.raises(BrokerUnavailableError):
        await broker.depth("warren.tasks.cpu")
    workspace.servers.rabbitmq.restart()
    async with asyncio.timeout(30):
        while True:
            with suppress(BrokerUnavailableError):
                if (await broker.depth("warren.tasks.cpu")).ready == 1:
                    break
            await asyncio.sleep(0.2)
    await asyncio.sleep(3)  # a started broker finds its queues: deleting the virtual host now would harm it


async def test_a_memory_alarm_is_told_in_time_then_at_once_and_ends(broker: AmqpBroker, workspace: Workspace) -> None:
    await publish(broker)
    with memory_alarm(workspace):
        said, seconds = await refused(broker)
        assert "did not confirm within 5 s" in said
        assert seconds < 6
        said, seconds = await refused(broker)
        assert "short of memory or disk space" in said
        assert seconds < 0.1
        assert (await broker.depth("warren.tasks.cpu")).ready >= 1
    async with asyncio.timeout(10):
        while not await accepted(broker):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.1)


async def test_a_full_queue_is_told_at_once_and_other_queues_go_on(broker: AmqpBroker, workspace: Workspace) -> None:
    limit = ["set_policy", "-p", workspace.name, "--priority", "10", "limit", r"^warren\.tasks\.cpu$"]
    control(workspace.servers, *limit, '{"max-length": 3, "delivery-limit": 1000}', "--apply-to", "queues")
    async with asyncio.timeout(20):
        while await accepted(broker):
            pass
    detail, seconds = await refused(broker)
    assert "its queue is full" in detail
    assert seconds < 0.5
    await broker.publish(encode_task(Task("train", "train-cpu")), exchange=TASKS, routing_key="train-cpu")
