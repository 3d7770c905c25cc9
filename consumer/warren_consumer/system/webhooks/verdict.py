"""What follows from an attempt to deliver a webhook.

Forbidden here: clocks, I/O, chance but for the one that is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from warren.webhook import WebhookState

MINUTE: Final = 60.0
HOUR: Final = 3600.0
PAUSES: Final = (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR)
"""How long to wait after each attempt that failed, in seconds; after the last of these the next one is the last. All
together that is a little more than 27 and a half hours: a receiver may be away for a day."""

SPREAD: Final = 0.1
"""By which part a pause is longer or shorter, so that what failed together does not come again together."""

BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""Answers by which a receiver may say when it wants to be asked again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt went."""

    status: int | None = None
    """What the receiver answered; None without an answer."""
    error: str | None = None
    """Why there was no answer."""
    retry_after: float | None = None
    """In how many seconds the receiver wants to be asked again."""
    refused: bool = False
    """Whether the URL leads to where Warren sends nothing."""

    @property
    def problem(self) -> str | None:
        """What went wrong; None where the receiver took it."""
        if self.status is None:
            return self.error
        return None if self.taken else f"the receiver answered {self.status}"

    @property
    def taken(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus(300)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the webhook."""

    state: WebhookState
    again_seconds: float | None = None
    """After how long it is sent again; None: it is over."""


def judge(attempt: Attempt, tries: int, chance: float) -> Verdict:
    """Decide what follows an attempt after so many earlier ones; `chance` is a random number from 0 to 1."""
    if attempt.taken:
        return Verdict(WebhookState.DELIVERED)
    if attempt.status == HTTPStatus.GONE:
        return Verdict(WebhookState.STOPPED)
    if attempt.refused or tries >= len(PAUSES):
        return Verdict(WebhookState.FAILED)
    pause = PAUSES[tries] * (1 - SPREAD + 2 * SPREAD * chance)
    if attempt.status in BUSY and attempt.retry_after is not None:
        pause = max(pause, min(attempt.retry_after, PAUSES[-1]))
    return Verdict(WebhookState.PENDING, pause)
