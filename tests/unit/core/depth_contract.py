"""What every broker's `depth` tells: one suite for the in-memory one and for RabbitMQ."""

import asyncio

import pytest

from warren.broker import Broker, Depth
from warren.errors import UnroutableError
from warren.message import encode_task
from warren.tasks import Task
from warren.topology import TASKS

QUEUE = "warren.tasks.cpu"


async def becomes(broker: Broker, ready: int, consumers: int) -> None:
    """Wait until the queue's depth is that; a broker needs a moment."""
    async with asyncio.timeout(5):
        while await broker.depth(QUEUE) != Depth(ready, consumers):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.02)


class DepthContract:
    """Subclasses give the fixture `broker`."""

    async def test_what_waits_counts_and_what_was_handed_out_does_not(self, broker: Broker) -> None:
        await becomes(broker, ready=0, consumers=0)
        for _ in range(5):
            await broker.publish(encode_task(Task("echo", "cpu")), exchange=TASKS, routing_key="cpu")
        await becomes(broker, ready=5, consumers=0)
        async with broker.subscribe(QUEUE, prefetch=2) as subscription:
            deliveries = aiter(subscription)
            held = [await anext(deliveries) for _ in range(2)]
            await becomes(broker, ready=3, consumers=1)
            for delivery in held:
                await delivery.nack()
        await becomes(broker, ready=5, consumers=0)

    async def test_a_missing_queue_is_named_and_the_next_question_is_answered(self, broker: Broker) -> None:
        for _ in range(3):
            with pytest.raises(UnroutableError, match="topology apply"):
                await broker.depth("warren.tasks.nowhere")
        await becomes(broker, ready=0, consumers=0)

    async def test_many_questions_at_once_are_all_answered(self, broker: Broker) -> None:
        assert await asyncio.gather(*(broker.depth(QUEUE) for _ in range(50))) == [Depth(0, 0)] * 50
