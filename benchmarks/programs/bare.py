"""aio-pika with nothing around it: `publish`, `consume`, `ping` and `pong`, on a quorum queue like Warren's.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel

from benchmarks.programs.orders import BROKER, IN_FLIGHT, TEXT, many, obey, one_by_one

QUEUE = "peer.aio-pika"
BODY = b'{"text":"%s"}' % TEXT.encode()


def message(reply_to: str | None = None) -> aio_pika.Message:
    return aio_pika.Message(
        BODY,
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(uuid.uuid4()),
        reply_to=reply_to,
    )


async def publish(channel: AbstractRobustChannel) -> None:
    exchange = channel.default_exchange
    await obey(lambda count: many(lambda: exchange.publish(message(), QUEUE, mandatory=True), count))


async def consume(channel: AbstractRobustChannel) -> None:
    await channel.set_qos(prefetch_count=IN_FLIGHT)
    queue = await channel.get_queue(QUEUE)

    async def take(count: int) -> dict[str, float]:
        done = asyncio.Event()
        taken = 0

        async def acknowledge(incoming: AbstractIncomingMessage) -> None:
            nonlocal taken
            await incoming.ack()
            taken += 1
            if taken == count:
                done.set()

        began = time.perf_counter()
        tag = await queue.consume(acknowledge)
        await asyncio.wait_for(done.wait(), 60)
        seconds = time.perf_counter() - began
        await queue.cancel(tag)
        return {"seconds": seconds}

    await obey(take)


async def ping(channel: AbstractRobustChannel) -> None:
    replies = await channel.declare_queue(exclusive=True, auto_delete=True)
    arrived: asyncio.Queue[None] = asyncio.Queue()

    async def note(_: AbstractIncomingMessage) -> None:
        arrived.put_nowait(None)

    await replies.consume(note, no_ack=True)

    async def once() -> None:
        await channel.default_exchange.publish(message(replies.name), QUEUE, mandatory=True)
        await arrived.get()

    await obey(lambda count: one_by_one(once, count))


async def pong(channel: AbstractRobustChannel) -> None:
    await channel.set_qos(prefetch_count=IN_FLIGHT)
    queue = await channel.get_queue(QUEUE)

    async def answer(incoming: AbstractIncomingMessage) -> None:
        await channel.default_exchange.publish(message(), incoming.reply_to or "")
        await incoming.ack()

    await queue.consume(answer)
    await asyncio.Event().wait()


WAYS: dict[str, Callable[[AbstractRobustChannel], Awaitable[None]]] = {
    "publish": publish,
    "consume": consume,
    "ping": ping,
    "pong": pong,
}


async def main(way: str) -> None:
    async with await aio_pika.connect_robust(BROKER) as connection:
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize()
        await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await WAYS[way](channel)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
