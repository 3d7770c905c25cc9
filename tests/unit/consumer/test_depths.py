"""What RabbitMQ's nodes tell of their queues' depths."""

from __future__ import annotations

import pytest

from warren_consumer.depths.rabbitmq import ALL, HELD, parse


def told(queue: str, value: str) -> str:
    return "".join(f'{name}{{vhost="/",queue="warren.tasks.{queue}"}} {value}\n' for name in (ALL, *sorted(HELD)))


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_figure_that_is_no_number_is_that_queues_trouble_alone(value: str) -> None:
    assert parse(told("cpu", "3") + told("gpu", value), "/") == {"warren.tasks.cpu": 6}
