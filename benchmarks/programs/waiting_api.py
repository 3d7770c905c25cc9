"""The least that a waiting request can cost: the same server and framework as the producer, and an event to wait for.

Forbidden here: imports of Warren.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/wait")
async def wait(body: dict[str, object]) -> dict[str, object]:
    await asyncio.Event().wait()
    return body


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning")
