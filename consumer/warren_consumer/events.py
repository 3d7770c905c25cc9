"""Telling what happens to tasks, as best one can: events never hold up the work, and are dropped rather than kept.

Forbidden here: waiting for the broker on behalf of the work.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from warren.errors import UnavailableError
from warren.event import encode_event, event_key

if TYPE_CHECKING:
    from warren.broker import Broker
    from warren.record import Record

MOST_WAITING: Final = 10_000
MOST_AT_ONCE: Final = 100


class Events:
    """Events under way."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: asyncio.Queue[Record] = asyncio.Queue(MOST_WAITING)

    def tell(self, record: Record) -> None:
        """Tell of the record's present state, unless too much waits to be told already.

        What an event does not carry is not kept: results that wait for a broker would fill the memory.
        """
        if self._waiting.full():
            return
        if record.result is not None or record.payload is not None:
            record = record.model_copy(update={"result": None, "payload": None})
        self._waiting.put_nowait(record)

    async def run(self) -> None:
        """Publish what is told, until cancelled."""
        while True:
            records = [await self._waiting.get()]
            while not self._waiting.empty() and len(records) < MOST_AT_ONCE:
                records.append(self._waiting.get_nowait())
            await self._publish(records)

    async def flush(self) -> None:
        """Publish what waits now."""
        records = []
        while not self._waiting.empty():
            records.append(self._waiting.get_nowait())
        await self._publish(records)

    async def _publish(self, records: list[Record]) -> None:
        with suppress(UnavailableError):
            await self._broker.announce([(event_key(record), encode_event(record)) for record in records])
