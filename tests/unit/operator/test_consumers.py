"""Consumers that are asked one by one: what they say now, and what comes of those that say nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from prometheus_client import generate_latest

from tests.unit.operator.web import serving
from warren_consumer.metrics import Metrics
from warren_operator.figures.consumers import WebConsumers

PATIENCE = 10.0
"""Seconds of a clock in a hurry; who answers needs none of it."""


@pytest.fixture
async def consumers() -> AsyncIterator[WebConsumers]:
    asking = WebConsumers(PATIENCE)
    yield asking
    await asking.close()


def told(running: int) -> bytes:
    """Return what a consumer of Warren's serves."""
    metrics = Metrics("cpu")
    with ExitStack() as stack:
        for _ in range(running):
            stack.enter_context(metrics.occupancy.taken())
        return generate_latest(metrics.registry)


async def test_a_consumer_says_what_it_works_on(consumers: WebConsumers) -> None:
    with serving(told(3)) as one, serving(told(0)) as other:
        endpoints = [url.removeprefix("http://") for url in (one, other)]
        assert await consumers.running(endpoints) == dict(zip(endpoints, (3, 0), strict=True))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, told(1)),
        (200, b"<html>"),
        (200, b"celery_tasks 3\n"),
        (200, b"warren_consumer_running_tasks{"),
        (200, b"warren_consumer_running_tasks NaN\n"),
        (200, b"warren_consumer_running_tasks +Inf\n"),
    ],
)
async def test_whoever_says_nothing_of_that_is_missing(consumers: WebConsumers, status: int, body: bytes) -> None:
    with serving(body, status) as url:
        assert await consumers.running([url.removeprefix("http://")]) == {}


@pytest.mark.usefixtures("hurry")
async def test_those_that_hang_cost_no_more_than_the_patience(consumers: WebConsumers) -> None:
    """They accept, and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, serving(told(2)) as url:
        good, hanging = url.removeprefix("http://"), f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert await consumers.running([hanging, good, hanging, "127.0.0.1:1"]) == {good: 2}
        assert time.monotonic() - began < PATIENCE * 1.5
