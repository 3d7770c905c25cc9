"""What every broker's `listen` does: one suite for the in-memory one and for RabbitMQ."""

import asyncio

import pytest

from warren.broker import Broker, Subscription
from warren.message import Message
from warren.topology import EVENTS


async def tell(broker: Broker, *keys: str) -> None:
    """Publish an event under each routing key."""
    for key in keys:
        await broker.publish(Message(key.encode()), exchange=EVENTS, routing_key=key, mandatory=False)


async def heard(subscription: Subscription, count: int) -> list[bytes]:
    """Return the next events' bodies."""
    events = aiter(subscription)
    async with asyncio.timeout(5):
        return [(await anext(events)).message.body for _ in range(count)]


TOLD = ("task.started.echo", "task.failed.echo", "other.failed", "task.failed.train", "task")


class ListeningContract:
    """Subclasses give the fixture `broker`."""

    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            (["task.#"], [b"task.started.echo", b"task.failed.echo", b"task.failed.train", b"task"]),
            (["task.failed.*"], [b"task.failed.echo", b"task.failed.train"]),
            (["task.*.echo", "task.failed.#"], [b"task.started.echo", b"task.failed.echo", b"task.failed.train"]),
            (["#.train"], [b"task.failed.train"]),
        ],
    )
    async def test_what_fits_a_pattern_is_heard_once_and_in_order(
        self, broker: Broker, patterns: list[str], expected: list[bytes]
    ) -> None:
        async with broker.listen([*patterns, "end"]) as subscription:
            await tell(broker, *TOLD, "end")
            assert await heard(subscription, len(expected) + 1) == [*expected, b"end"]

    async def test_every_listener_hears_and_those_who_left_leave_nothing(self, broker: Broker) -> None:
        async with broker.listen(["task.#"]) as one, broker.listen(["task.#"]) as other:
            await tell(broker, "task.started.echo")
            assert await heard(one, 1) == await heard(other, 1) == [b"task.started.echo"]
        await tell(broker, "task.started.echo")
        async with broker.listen(["task.#"]) as late:
            await tell(broker, "task.failed.echo")
            assert await heard(late, 1) == [b"task.failed.echo"]
