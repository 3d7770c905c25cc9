"""Telling what happens to tasks, as best one can: events never hold up the work, and are dropped rather than kept.

Forbidden here: waiting for the broker on behalf of the work.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from warren.errors import UnavailableError
from warren.event import encode_event

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.record import Record

MOST_WAITING: Final = 10_000
MOST_AT_ONCE: Final = 100

GATHER_SECONDS: Final = 0.002
"""How long a few events wait for others: one write carries them all, and a reply or an ack goes before them."""


class Events:
    """Events under way."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: list[Record] = []
        self._any = asyncio.Event()

    def tell(self, record: Record) -> None:
        """Tell of the record's present state, unless too much waits to be told already.

        What an event does not carry is not kept: results that wait for a broker would fill the memory.
        """
        if len(self._waiting) >= MOST_WAITING:
            return
        if record.result is not None or record.payload is not None:
            record = record.model_copy(update={"result": None, "payload": None})
        self._waiting.append(record)
        self._any.set()

    async def run(self) -> None:
        """Publish what is told, until cancelled."""
        while True:
            await self._any.wait()
            if len(self._waiting) < MOST_AT_ONCE:
                await asyncio.sleep(GATHER_SECONDS)
            await self._publish(MOST_AT_ONCE)

    async def flush(self) -> None:
        """Publish what waits now."""
        await self._publish(MOST_WAITING)

    async def _publish(self, most: int) -> None:
        records, self._waiting = self._waiting[:most], self._waiting[most:]
        if not self._waiting:
            self._any.clear()
        messages = map(encode_event, records)
        with suppress(UnavailableError):
            await self._broker.announce([(message.type or "", message) for message in messages])
