"""Functions beside a real producer: told of, checked, and delayed across its absence."""

from __future__ import annotations

import asyncio
import threading
import time

import httpx2
import pytest

from tests.integration.producer.conftest import Consumer, Producer
from warren import Client, task
from warren.errors import InvalidRequestError


@task(name="echo")
def fields(text: str) -> dict[str, str]:
    """Stand in for `echo`: the least consumer answers with the arguments."""
    return {"text": text}


def test_warrens_own_functions_are_told_of_and_checked(producer: Producer) -> None:
    types = {kind["name"]: kind for kind in httpx2.get(f"{producer.url}/v1/task-types").json()["task_types"]}
    assert {"echo", "sleep", "train"} <= types.keys()
    assert types["echo"]["arguments"]["properties"] == {"text": {"title": "Text", "type": "string"}}
    assert types["echo"]["result"] == {"type": "string"}
    with Client(producer.url) as client, pytest.raises(InvalidRequestError, match=r"args\.text"):
        client.submit("echo", text=3)


async def test_delayed_calls_outlast_a_producer_that_is_replaced(producer: Producer, consumer: Consumer) -> None:
    async with consumer.working():
        await asyncio.to_thread(delayed, producer)
    assert consumer.deliveries == 20


def delayed(producer: Producer) -> None:
    """Delay calls and wait for them while the producer is away for a while, twice."""
    with Client(producer.url, patience=20) as client:
        function = fields.with_options(client=client)
        with away(producer):
            jobs = [function.delay(str(number)) for number in range(5)]
        with away(producer):
            jobs += function.map(map(str, range(5, 20)))
            results = client.gather(jobs, timeout=30)
    assert results == [{"text": str(number)} for number in range(20)]


class away:  # noqa: N801 - it reads as the sentence that it is
    """Stops the producer now, and starts it again a second later."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._return = threading.Thread(target=self._come_back)

    def __enter__(self) -> None:
        """Stop it."""
        assert self._producer.stop() == 0
        self._return.start()

    def __exit__(self, *_: object) -> None:
        """Wait until it is back."""
        self._return.join()

    def _come_back(self) -> None:
        time.sleep(1)
        self._producer.start()
