"""The estimated wait: a table of what was seen and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from warren_producer.estimate import Sample, estimated_wait

START = 1000.0


def seen(*rows: tuple[int, int, int], every: float = 1.0) -> list[Sample]:
    """Return samples of (ready, consumers, started), one a second."""
    return [Sample(START + number * every, *row) for number, row in enumerate(rows)]


def steady(ready: int, consumers: int, pace: int, seconds: int) -> list[Sample]:
    """Return samples of a queue that stays as long as it is while attempts are started at this pace."""
    return seen(*((ready, consumers, pace * second) for second in range(seconds + 1)))


UNKNOWN: dict[str, list[Sample]] = {
    "nothing was seen": [],
    "a first look": seen((50, 1, 0)),
    "asleep": seen(*[(500, 0, 10)] * 20),
    "asleep and empty": seen(*[(0, 0, 10)] * 20),
    "busy for too short a time": seen((0, 1, 0), (90, 1, 0), (80, 1, 10)),
    "long between the samples": seen((90, 1, 0), (90, 1, 10), (90, 1, 20), every=5.0),
    "the store was flushed": seen((90, 1, 900), (90, 1, 3)),
}

KNOWN: dict[str, tuple[list[Sample], float]] = {
    "empty": (steady(0, 2, 100, 5), 0),
    "empty again": (seen(*[(90, 1, 0)] * 9, (0, 1, 0)), 0),
    "a queue and its pace": (steady(200, 1, 10, 12), 20),
    "several consumers": (steady(200, 4, 40, 12), 5),
    "as little as is needed": (steady(30, 1, 10, 3), 3),
    "idle times do not count": (seen((0, 1, 0), (0, 1, 1), *((50, 1, 10 * second) for second in range(5))), 5),
    "only the newest busy time counts": ([*steady(100, 1, 1, 20), *steady(100, 1, 50, 12)][-13:], 2),
    "twice the consumers are twice as fast": (
        [*steady(100, 1, 10, 11), Sample(START + 12, 100, 2, 120)],
        100 / (120 / 11.5 / 1) / 2,
    ),
    "nothing starts": (seen(*[(5, 1, 7)] * 13), 12),
    "nothing starts any more": ([*seen((9, 1, 0), (9, 1, 5)), *seen(*[(9, 1, 5)] * 16)[2:]], 14),
    "idle before is no standstill": (seen(*[(0, 1, 7)] * 9, *[(5, 1, 7)] * 4), 3),
    "messages wait that nobody took in time": (seen(*[(1, 3, 0)] * 2), 1),
}


@pytest.mark.parametrize("samples", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_what_is_not_known_stays_unknown(samples: list[Sample]) -> None:
    assert estimated_wait(samples) is None


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN.keys())
def test_the_wait_follows_from_what_waits_and_how_fast_it_goes(case: tuple[list[Sample], Any]) -> None:
    samples, expected = case
    assert estimated_wait(samples) == pytest.approx(expected, rel=0.1)
