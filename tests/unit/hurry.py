"""A clock in a hurry: while an event loop has nothing to do but wait, its time passes many times as fast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import BaseSelector, SelectorKey
from typing import Any, Final, cast

import pytest

HASTE: Final = 20
"""How many times; what answers from another thread or over loopback still has the twentieth part of the time."""


class HurriedSelector:
    """Waits for another selector's events, for a part of the time that is asked for, and tells what that spared."""

    def __init__(self, selector: BaseSelector) -> None:
        self._selector = selector
        self._monotonic, self._time = time.monotonic, time.time
        self._spared = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)

    def monotonic(self) -> float:
        """Return the time as the loop is to see it."""
        return self._monotonic() + self._spared

    def time(self) -> float:
        """Return the time of day to go with it."""
        return self._time() + self._spared

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait; no more time seems to have passed than was asked for, unless it has.

        What is there already was not waited for, however busy the machine is that gives it.
        """
        if events := self._selector.select(0):
            return events
        began = self._monotonic()
        events = self._selector.select(timeout and timeout / HASTE)
        if timeout:
            passed = self._monotonic() - began
            self._spared += max(0.0, min(passed * HASTE, timeout) - passed)
        return events


@contextmanager
def hurried(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have the loop, and whoever measures time meanwhile, live by such a clock."""
    own = cast("Any", loop)
    selector = own._selector  # noqa: SLF001 - a loop takes another one only when it is made
    with pytest.MonkeyPatch.context() as patch:
        own._selector = hurry = HurriedSelector(selector)  # noqa: SLF001
        patch.setattr(time, "monotonic", hurry.monotonic)
        patch.setattr(time, "time", hurry.time)
        yield
    own._selector = selector  # noqa: SLF001
