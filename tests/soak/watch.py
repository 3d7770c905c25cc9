"""The watch: every accepted task's record, read from the store until it ends, and some again after their end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from warren.errors import RecordsUnavailableError
from warren.record import Record
from warren.records.redis import RedisRecords

EVERY_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""How long the watch, which looks on, waits for an answer of the store."""
_TOGETHER = 200


class Watch:
    """Knows which tasks have not ended, and how each record looked when it first was seen ended."""

    def __init__(self, records_url: str) -> None:
        self.open: set[str] = set()
        self.first: dict[str, Record] = {}
        self.changed: dict[str, Record] = {}
        """Records that were seen to change after their end, as they were then."""
        self._url = records_url
        self._again: deque[str] = deque()

    async def run(self) -> None:
        """Watch until cancelled."""
        self._records = RedisRecords(self._url, PATIENCE_SECONDS)
        while True:
            for ids in _chunks(sorted(self.open)):
                self._note(await self._read(ids))
            self._compare(await self._read([self._again.popleft() for _ in range(min(_TOGETHER, len(self._again)))]))
            await asyncio.sleep(EVERY_SECONDS)

    async def all(self) -> dict[str, Record | None]:
        """Return every record that was ever seen ended or is open, as it is now."""
        ids = sorted({*self.first, *self.open})
        found: dict[str, Record | None] = {}
        for chunk in _chunks(ids):
            found |= zip(chunk, await self._records.read(chunk), strict=True)
        return found

    async def _read(self, ids: list[str]) -> list[Record]:
        try:
            return [record for record in await self._records.read(ids) if record is not None]
        except RecordsUnavailableError:
            return []

    def _note(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.state.terminal:
                self.open.discard(record.id)
                self.first[record.id] = record
                self._again.append(record.id)

    def _compare(self, records: Iterable[Record]) -> None:
        for record in records:
            self._again.append(record.id)
            if record.model_dump(exclude={"now"}) != self.first[record.id].model_dump(exclude={"now"}):
                self.changed.setdefault(record.id, record)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while chunk := list(islice(left, _TOGETHER)):
        yield chunk
