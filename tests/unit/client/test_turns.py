"""Many waits on one client over HTTP: how many connections they take, and what they leave to its other calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.client.loopback import Loopback
from warren import AsyncClient
from warren.client.turns import GLANCES, PLACES
from warren.client.web import CALLS_AT_ONCE
from warren.record import State

pytestmark = pytest.mark.usefixtures("hurry")

CROWD = 2 * PLACES
SOON = 1.5
TURN_SECONDS = 1
A_ROUND = SOON + TURN_SECONDS * CROWD / (PLACES // 2)


@pytest.fixture
async def api() -> AsyncIterator[Loopback]:
    async with Loopback().listening() as api:
        yield api


@asynccontextmanager
async def crowd(api: Loopback, client: AsyncClient) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Wait for many tasks, each by itself, more than there are places."""
    waits = [asyncio.create_task(client.job(str(number)).get()) for number in range(CROWD)]
    try:
        async with asyncio.timeout(10):
            await api.until(lambda: api.looks >= PLACES + GLANCES and api.waiting >= PLACES)
        yield waits
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def test_a_crowd_of_waits_leaves_room_for_every_other_call(api: Loopback) -> None:
    async with AsyncClient(api.url) as client, crowd(api, client):
        for call in (client.submit("echo"), client.job("1").cancel(), client.job("1").status()):
            await asyncio.wait_for(call, SOON)
        api.end("new")
        assert await client.job("new").get(timeout=SOON) == "new", (
            "who comes to a crowd alone looks once before it queues"
        )
        assert api.most_connections <= PLACES + GLANCES + 1


async def test_each_of_a_crowd_ends_soon_after_its_task(api: Loopback) -> None:
    async with AsyncClient(api.url) as client, crowd(api, client) as waits:
        ids = [str(number) for number in range(CROWD)]
        api.end(ids[-1])
        assert await asyncio.wait_for(waits[-1], A_ROUND) == ids[-1]
        api.end(*ids)
        assert await asyncio.wait_for(asyncio.gather(*waits), A_ROUND) == ids


async def test_a_limit_of_time_is_kept_in_a_crowd(api: Loopback) -> None:
    async with AsyncClient(api.url) as client, crowd(api, client):
        began = time.monotonic()
        assert (await client.job("late").wait(timeout=0.2)).status is State.STARTED
        assert time.monotonic() - began < SOON


async def test_a_few_wait_for_long_at_a_time(api: Loopback) -> None:
    async with AsyncClient(api.url) as client:
        waits = [asyncio.create_task(client.job(str(number)).get()) for number in range(PLACES // 2)]
        await asyncio.sleep(1.2 * TURN_SECONDS)
        assert (api.looks, api.waiting) == (len(waits), len(waits))
        api.end(*map(str, range(len(waits))))
        await asyncio.wait_for(asyncio.gather(*waits), SOON)


async def test_predictions_leave_room_for_every_other_call(api: Loopback) -> None:
    async with AsyncClient(api.url) as client:
        predictions = [asyncio.create_task(client.predict("iris", [[1]])) for _ in range(CALLS_AT_ONCE + 1)]
        await api.until(lambda: api.waiting >= CALLS_AT_ONCE)
        await asyncio.wait_for(client.submit("echo"), SOON)
        for prediction in predictions:
            prediction.cancel()
        await asyncio.gather(*predictions, return_exceptions=True)


async def test_calls_at_once_queue_for_their_connections(api: Loopback) -> None:
    async with AsyncClient(api.url) as client:
        await asyncio.gather(*(client.submit("echo") for _ in range(2 * CALLS_AT_ONCE)))
        assert api.most_connections <= CALLS_AT_ONCE
