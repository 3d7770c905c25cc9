"""Asking again while something is away."""

from __future__ import annotations

import pytest

from warren.errors import BrokerUnavailableError, UnavailableError
from warren.patience import patiently


class Away:
    """Something that does not answer the first few times."""

    def __init__(self, *faults: UnavailableError) -> None:
        self.faults = list(faults)
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        return "there"


async def test_it_is_asked_again_until_it_answers() -> None:
    away = Away(UnavailableError("gone", retry_after=0), UnavailableError("gone", retry_after=0))
    assert await patiently(away, 5) == "there"
    assert away.asked == 3


async def test_what_waiting_does_not_help_is_told_at_once() -> None:
    away = Away(BrokerUnavailableError("it refuses the credentials", retry_after=None))
    with pytest.raises(BrokerUnavailableError, match="refuses the credentials"):
        await patiently(away, 5)
    assert away.asked == 1
