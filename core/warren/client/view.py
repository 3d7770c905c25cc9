"""One caller's sight of one task: the newest record that was read of it, and word when that says something new.

Forbidden here: where records and word of them come from.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, cast
from zlib import crc32

if TYPE_CHECKING:
    from warren.record import Record


def mark(record: Record) -> str:
    """Return a word for what the record tells of the task's course: the same word, nothing new."""
    told = ""
    if record.progress is not None:
        told = f".{record.progress.fraction:g}.{crc32((record.progress.message or '').encode()):x}"
    return f"{record.attempt}.{record.state.value}{told}"


class View:
    """Shows the newest state only: what came and went unseen between two looks is not told."""

    def __init__(self) -> None:
        self.over = False
        """Whether nothing more will be shown: the task has ended, its record is gone, or the process closes."""
        self._record: Record | None = None
        self._mark = ""
        self._news = asyncio.Event()

    @property
    def record(self) -> Record:
        """The newest record; a view is handed out only once there is one."""
        return cast("Record", self._record)

    def show(self, record: Record | None) -> None:
        """Take what was read; a read that began earlier but came later changes nothing."""
        if record is None:
            self.end()
        elif self._record is None or record.now >= self._record.now:
            self._record = record
            if (seen := mark(record)) != self._mark:
                self._mark = seen
                self._news.set()
            self.over = self.over or record.state.terminal

    def end(self) -> None:
        """Show nothing more."""
        self.over = True
        self._news.set()

    async def changed(self, seconds: float) -> bool:
        """Wait until there is something new since this was last asked; False when the seconds are over before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        changed = self._news.is_set()
        if not self.over:
            self._news.clear()
        return changed
