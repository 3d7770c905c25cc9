"""A connection that is made again, against a broker of a few words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pamqp.frame
import pytest
from pamqp import commands
from pamqp.base import Frame

from warren.broker.amqp import AmqpBroker

pytestmark = pytest.mark.usefixtures("hurry")

QUEUE, NOT_FOUND, FORCED = "warren.tasks.cpu", 404, 320
CAPABLE: dict[str, Any] = {"capabilities": {"consumer_cancel_notify": True, "basic.nack": True}}
ANSWERS: dict[type[object], Frame] = {
    commands.Connection.StartOk: commands.Connection.Tune(2047, 131_072, 10),
    commands.Connection.Open: commands.Connection.OpenOk(),
    commands.Connection.Close: commands.Connection.CloseOk(),
    commands.Channel.Open: commands.Channel.OpenOk(),
    commands.Channel.Close: commands.Channel.CloseOk(),
    commands.Basic.Qos: commands.Basic.QosOk(),
    commands.Basic.Cancel: commands.Basic.CancelOk(),
}


class FewWords:
    """A broker that has the queue on its first connection and its third; it ends the second one as that asks again."""

    def __init__(self) -> None:
        self.connections: list[asyncio.StreamWriter] = []
        self._asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        await reader.readexactly(8)
        writer.write(pamqp.frame.marshal(commands.Connection.Start(mechanisms="PLAIN", server_properties=CAPABLE), 0))
        rest = b""
        while more := await reader.read(65536):
            rest += more
            while len(rest) > 7 and (read := pamqp.frame.unmarshal(rest))[0]:
                rest = rest[read[0] :]
                for number, answer in self._answers(read[1], read[2]):
                    writer.write(pamqp.frame.marshal(answer, number))
        writer.close()

    def _answers(self, number: int, said: object) -> list[tuple[int, Frame]]:
        if isinstance(said, commands.Basic.Consume):
            return [(number, commands.Basic.ConsumeOk(said.consumer_tag))]
        if not isinstance(said, commands.Queue.Declare):
            return [(number, ANSWERS[type(said)])] if type(said) in ANSWERS else []
        if len(self.connections) != 2:
            return [(number, commands.Queue.DeclareOk(said.queue, 0, 0))]
        self._asked += 1
        gone = (number, commands.Channel.Close(NOT_FOUND, "NOT_FOUND", 50, 10))
        return [gone, (0, commands.Connection.Close(FORCED, "CONNECTION_FORCED", 0, 0))][: self._asked]


@pytest.fixture(name="few")
async def _few() -> AsyncIterator[tuple[FewWords, str]]:
    few = FewWords()
    async with await asyncio.start_server(few.serve, "127.0.0.1", 0) as server:
        yield few, f"amqp://a:b@127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for connection in few.connections:
            connection.close()


@asynccontextmanager
async def closing(url: str) -> AsyncIterator[AmqpBroker]:
    broker = AmqpBroker(url)
    try:
        yield broker
    finally:
        await broker.close()


async def test_a_connection_that_ends_while_a_queue_is_gone_is_made_again(few: tuple[FewWords, str]) -> None:
    async with closing(few[1]) as broker, broker.subscribe(QUEUE, prefetch=1) as subscription:
        few[0].connections[0].transport.abort()
        async with asyncio.timeout(60):
            while len(few[0].connections) < 3:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
            while not subscription.consuming:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
