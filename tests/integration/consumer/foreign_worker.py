"""A worker that knows nothing of Warren but docs/protocol.md: `python foreign_worker.py URL POOL ROWS`.

It writes a row for each task that it starts. What it does with a task is said by the task's name.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage

LARGE = 2 * 1024 * 1024


def work(incoming: AbstractIncomingMessage) -> tuple[bytes, dict[str, str]]:
    match incoming.type:
        case "large":
            return b"x" * LARGE, {}
        case "fails":
            return json.dumps({"code": "no-face", "message": "there is none"}).encode(), {"warren-state": "failed"}
    return incoming.body[::-1], {}


async def see_to(incoming: AbstractIncomingMessage, pool: str, results: AbstractExchange, rows: Path) -> None:
    with rows.open("a") as file:
        file.write(f"{incoming.message_id}\n")
    if incoming.type == "refused":
        await incoming.reject(requeue=False)
        return
    body, headers = work(incoming)
    result = aio_pika.Message(
        body,
        message_id=incoming.message_id,
        type=incoming.type,
        content_type="text/plain",
        reply_to=incoming.reply_to,
        headers={"warren-pool": pool, **headers},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await results.publish(result, "warren.results")  # returns when the broker has confirmed
    await incoming.ack()


async def main(url: str, pool: str, rows: Path) -> None:
    connection = await aio_pika.connect(url)
    async with connection, connection.channel(on_return_raises=True) as channel:
        await channel.set_qos(prefetch_count=10)
        queue = await channel.get_queue(f"warren.tasks.{pool}", ensure=False)
        results = await channel.get_exchange("warren.results", ensure=False)
        async with queue.iterator() as deliveries:
            async for incoming in deliveries:
                await see_to(incoming, pool, results, rows)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
