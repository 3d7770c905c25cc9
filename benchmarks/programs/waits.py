"""Requests that wait for their answer: `waits URL METHOD [BODY] [HEADER ...]`; an order adds so many to those waiting.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

import uvloop

from benchmarks.programs.load import request
from benchmarks.programs.orders import obey

TOGETHER = 50
SETTLE_SECONDS = 0.7


async def main(url: str, *rest: str) -> None:
    at, sent = urlsplit(url), request(url, *rest)
    waiting: list[asyncio.StreamWriter] = []

    async def one() -> None:
        _, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(sent)
        waiting.append(writer)

    async def more(count: int) -> dict[str, float]:
        for start in range(0, count, TOGETHER):
            await asyncio.gather(*(one() for _ in range(min(TOGETHER, count - start))))
            await asyncio.sleep(0.02)
        await asyncio.sleep(SETTLE_SECONDS)
        return {}

    await obey(more)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
