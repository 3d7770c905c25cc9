"""The consumer's settings, as its environment gives them."""

from __future__ import annotations

import pytest

from warren.errors import SettingsError
from warren.settings import load
from warren_consumer.settings import ConsumerSettings

NEEDED = {"WARREN_BROKER_URL": "amqp://localhost", "WARREN_RECORDS_URL": "redis://localhost", "WARREN_POOL": "cpu"}


@pytest.mark.parametrize(
    ("changes", "slots"),
    [
        ({}, 8),
        ({"WARREN_POOL": "train-cpu"}, 1),
        ({"WARREN_POOL": "system"}, 1),
        ({"WARREN_POOL": "train-cpu", "WARREN_CONCURRENCY": "3"}, 3),
    ],
)
def test_slots_follow_from_the_kind_of_pool_unless_they_are_set(changes: dict[str, str], slots: int) -> None:
    assert load(ConsumerSettings, NEEDED | changes).slots == slots


def test_flags_come_first() -> None:
    assert load(ConsumerSettings, NEEDED, pool="train-cpu").pool == "train-cpu"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"WARREN_POOL": "gpu"}, "there is no pool 'gpu'; WARREN_POOLS and Warren itself name: cpu, train-cpu, system"),
        ({"WARREN_CONCURRENCY": "0"}, "WARREN_CONCURRENCY"),
        ({"WARREN_CONCURENCY": "8"}, "WARREN_CONCURENCY: unknown"),
        ({"WARREN_GRACE_SECONDS": "1"}, "WARREN_GRACE_SECONDS"),
        ({"WARREN_RESULT_TTL_SECONDS": "299"}, "WARREN_RESULT_TTL_SECONDS"),
        ({"WARREN_RESULT_TTL_SECONDS": "inf"}, "WARREN_RESULT_TTL_SECONDS"),
        ({"WARREN_RESULT_TTL_SECONDS": "1e15"}, "WARREN_RESULT_TTL_SECONDS"),
        ({"WARREN_LEASE_SECONDS": "inf"}, "WARREN_LEASE_SECONDS"),
        ({"WARREN_GRACE_SECONDS": "inf"}, "WARREN_GRACE_SECONDS"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(ConsumerSettings, NEEDED | changes)


def test_half_of_a_short_grace_is_kept_for_handing_back() -> None:
    assert load(ConsumerSettings, NEEDED).hand_back_seconds == 30
    assert load(ConsumerSettings, NEEDED | {"WARREN_GRACE_SECONDS": "20"}).hand_back_seconds == 10
