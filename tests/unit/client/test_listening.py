"""Hearing of all tasks: what is told, and what a lost connection does."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from warren.broker.memory import MemoryBroker
from warren.client import listening
from warren.client.listening import Event, listen
from warren.errors import BrokerUnavailableError, InvalidRequestError
from warren.message import Message
from warren.pool import DEFAULT_POOLS
from warren.topology import EVENTS, topology


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RECONNECT_SECONDS", 0.01)


@pytest.fixture
def broker() -> MemoryBroker:
    """Give a broker that tasks are told on."""
    return MemoryBroker(topology(DEFAULT_POOLS))


async def happens(broker: MemoryBroker, key: str) -> None:
    """Tell of an event again and again until somebody hears it."""
    await broker.publish(Message(b'{"id": "1"}', type=key), exchange=EVENTS, routing_key=key, mandatory=False)


async def test_events_that_fit_are_told_with_their_keys(broker: MemoryBroker) -> None:
    async with aclosing(listen(broker, ["task.failed.*"])) as heard:
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0.01)
        await happens(broker, "task.started.echo")
        await happens(broker, "task.failed.echo")
        assert await first == Event("task.failed.echo", {"id": "1"})


async def test_what_is_no_event_is_passed_over(broker: MemoryBroker) -> None:
    async with aclosing(listen(broker, ["#"])) as heard:
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0.01)
        for body in (b"", b"wake up", b"\xff", b"[1]", b"null"):  # as a client with the right to send wake hints may
            await broker.publish(Message(body), exchange=EVENTS, routing_key="pool.wake.cpu", mandatory=False)
        await happens(broker, "task.started.echo")
        assert (await asyncio.wait_for(first, 2)).key == "task.started.echo"


async def test_a_pattern_that_no_message_can_bear_is_refused(broker: MemoryBroker) -> None:
    with pytest.raises(InvalidRequestError, match="255 bytes at most"):
        await anext(listen(broker, ["task.#", "é" * 128]))


async def test_a_lost_connection_is_told_and_listening_goes_on(broker: MemoryBroker) -> None:
    lost: list[str] = []
    async with aclosing(listen(broker, lost=lost.append)) as heard:
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0.01)
        await broker.lose_connection()
        await asyncio.sleep(0.05)
        await happens(broker, "task.started.echo")
        assert (await asyncio.wait_for(first, 2)).key == "task.started.echo"
    assert lost == ["the connection was lost"]


async def test_who_cannot_begin_is_told_why(broker: MemoryBroker) -> None:
    broker.available = False
    with pytest.raises(BrokerUnavailableError):
        await anext(listen(broker))
