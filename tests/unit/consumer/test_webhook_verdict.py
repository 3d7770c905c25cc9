"""What follows from an answer to a webhook."""

from __future__ import annotations

import pytest

from warren.webhook import WebhookState
from warren_consumer.system.webhooks.verdict import HOUR, PAUSES, Attempt, judge

PENDING, OVER = WebhookState.PENDING, None


@pytest.mark.parametrize(
    ("attempt", "state"),
    [
        (Attempt(200), WebhookState.DELIVERED),
        (Attempt(204), WebhookState.DELIVERED),
        (Attempt(299), WebhookState.DELIVERED),
        (Attempt(199), PENDING),
        (Attempt(303), PENDING),
        (Attempt(400), PENDING),
        (Attempt(404), PENDING),
        (Attempt(410), WebhookState.STOPPED),
        (Attempt(500), PENDING),
        (Attempt(error="no answer"), PENDING),
        (Attempt(error="not public", refused=True), WebhookState.FAILED),
    ],
)
def test_an_answer_ends_it_or_not(attempt: Attempt, state: WebhookState) -> None:
    verdict = judge(attempt, 0, 0.5)
    assert verdict.state is state
    assert (verdict.again_seconds is not None) == (state is PENDING)
    assert (attempt.problem is None) == (state is WebhookState.DELIVERED)


def test_a_receiver_may_be_away_for_a_day_and_not_for_ever() -> None:
    for chance in (0.0, 0.5, 1.0):
        pauses: list[float] = []
        while (verdict := judge(Attempt(500), len(pauses), chance)).again_seconds is not None:
            pauses.append(verdict.again_seconds)
        assert verdict.state is WebhookState.FAILED
        assert len(pauses) == len(PAUSES)
        assert 24 * HOUR < sum(pauses) < 31 * HOUR
        assert sorted(pauses) == pauses
    assert 27 * HOUR < sum(PAUSES) < 28 * HOUR
    assert judge(Attempt(500), 1, 0).again_seconds != judge(Attempt(500), 1, 1).again_seconds


@pytest.mark.parametrize(
    ("status", "after", "tries", "again"),
    [
        (429, 60, 0, 60),
        (503, 60, 0, 60),
        (500, 60, 0, 5),
        (429, 1, 1, 300),
        (503, 1e9, 0, 10 * HOUR),
        (503, None, 0, 5),
    ],
)
def test_a_busy_receiver_says_when_it_wants_it(status: int, after: float | None, tries: int, again: float) -> None:
    assert judge(Attempt(status, retry_after=after), tries, 0.5).again_seconds == pytest.approx(again)
