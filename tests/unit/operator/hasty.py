"""An event loop on which minutes pass in a second, for what counts the time by itself."""

from __future__ import annotations

import asyncio
import selectors
import time


class _Hasty(selectors.DefaultSelector):
    """Waits for so much less than it is asked to."""

    def __init__(self, faster: float) -> None:
        super().__init__()
        self._faster = faster

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(timeout / self._faster if timeout and timeout > 0 else timeout)


class HastyLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock goes so many times faster."""

    def __init__(self, faster: float) -> None:
        super().__init__(_Hasty(faster))
        self._faster = faster

    def time(self) -> float:
        """Return the seconds that have passed on it."""
        return time.monotonic() * self._faster
