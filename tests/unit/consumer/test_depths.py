"""What RabbitMQ's nodes tell of their queues' depths."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.unit.operator.hasty import HastyLoop
from tests.unit.operator.web import dribbling, serving
from warren.broker.nodes import ALL, READY, UNACKED
from warren.errors import BrokerUnavailableError
from warren_consumer.depths.rabbitmq import RabbitDepths


def told(queue: str, value: str) -> str:
    return "".join(f'{name}{{vhost="/",queue="warren.tasks.{queue}"}} {value}\n' for name in (ALL, READY, UNACKED))


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
async def test_a_figure_that_is_no_number_is_that_queues_trouble_alone(value: str) -> None:
    with serving((told("cpu", "3") + told("gpu", value)).encode()) as url:
        depths = RabbitDepths([url], "amqp://b/")
        assert await depths.read() == {"warren.tasks.cpu": 6}
        await depths.close()


def test_an_answer_that_only_dribbles_in_is_not_waited_for() -> None:
    async def ask(url: str) -> None:
        depths = RabbitDepths([url], "amqp://b/")
        try:
            async with asyncio.timeout(100):
                with pytest.raises(BrokerUnavailableError):
                    await depths.read()
        finally:
            await depths.close()

    with dribbling() as url, asyncio.Runner(loop_factory=partial(HastyLoop, 50)) as runner:
        runner.run(ask(url))


async def test_a_nodes_password_is_sent_and_never_told() -> None:
    with serving(told("cpu", "3").encode(), password="ann:s@cret") as url:
        known, unknown = (
            RabbitDepths([url.replace("//", f"//ann:{word}@")], "amqp://b/") for word in ("s%40cret", "s%40crap")
        )
        assert await known.read() == {"warren.tasks.cpu": 6}
        with pytest.raises(BrokerUnavailableError, match=f"RabbitMQ at {url} .*401") as caught:
            await unknown.read()
        assert "crap" not in caught.value.detail
        await known.close()
        await unknown.close()
