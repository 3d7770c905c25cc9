"""Warren's client, straight to the broker: `submit` or `submit-and-wait`.

Forbidden here: anything that a user of the client would not write.
"""

from __future__ import annotations

import sys

import uvloop

from benchmarks.programs.orders import BROKER, STORE, TEXT, many, obey, one_by_one
from warren import AsyncClient


async def main(way: str) -> None:
    async with AsyncClient(BROKER, records=STORE) as client:

        async def submit() -> None:
            await client.submit("echo", text=TEXT)

        async def submit_and_wait() -> None:
            job = await client.submit("echo", text=TEXT)
            await job.get(timeout=30)

        if way == "submit-and-wait":
            await obey(lambda count: one_by_one(submit_and_wait, count))
        else:
            await obey(lambda count: many(submit, count))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
