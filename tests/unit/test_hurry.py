"""The clock in a hurry: a wait is soon over, has taken its time all the same, and ends at once with what it is for."""

import asyncio
import time
from selectors import DefaultSelector, SelectorKey

import pytest

from tests.unit.hurry import hurried

SECONDS = 2.0


class Asked(DefaultSelector):
    """Keeps for how long it was asked to wait, at most."""

    most = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait."""
        self.most = max(self.most, timeout or 0.0)
        return super().select(timeout)


def test_a_wait_takes_a_part_of_its_time_and_seems_to_have_taken_it_all() -> None:
    selector = Asked()
    loop = asyncio.SelectorEventLoop(selector)
    with hurried(loop):
        clocks = (loop.time, time.monotonic, time.time)
        began = [clock() for clock in clocks]
        loop.run_until_complete(asyncio.sleep(SECONDS))
        for clock, before in zip(clocks, began, strict=True):
            assert SECONDS <= clock() - before < 1.5 * SECONDS
    loop.close()
    assert 0 < selector.most < SECONDS / 2


@pytest.mark.usefixtures("hurry")
async def test_a_limit_of_time_is_met_by_what_a_thread_does_meanwhile() -> None:
    async with asyncio.timeout(SECONDS):
        assert await asyncio.to_thread(sum, range(10)) == 45


@pytest.mark.usefixtures("hurry")
async def test_a_limit_of_time_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), SECONDS)
