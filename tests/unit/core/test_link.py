"""A connection to a broker that takes connections and says nothing."""

from __future__ import annotations

import asyncio

import pytest

from warren.broker import link as module
from warren.broker.link import Link
from warren.errors import BrokerUnavailableError


@pytest.mark.usefixtures("hurry")
async def test_an_attempt_that_was_given_up_is_not_made_again_behind_ones_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.05)
    came: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: came.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = Link(f"amqp://warren:secret@127.0.0.1:{port}/", "test")
    with pytest.raises(BrokerUnavailableError, match="did not answer"):
        await link.connection()
    await asyncio.sleep(0.5)
    assert len(came) == 1
    await link.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for writer in came:
        writer.close()
    server.close()
