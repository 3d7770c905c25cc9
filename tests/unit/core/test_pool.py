"""Pools, as the setting `WARREN_POOLS` holds them."""

from __future__ import annotations

import pytest

from warren.pool import Pool, PoolKind, parse_pools


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("cpu", Pool(name="cpu")),
        ("train-cpu:train", Pool(name="train-cpu", kind=PoolKind.TRAIN)),
        ("stone:foreign", Pool(name="stone", foreign=True)),
        ("stone:train:foreign", Pool(name="stone", kind=PoolKind.TRAIN, foreign=True)),
        ("stone:serve:foreign", Pool(name="stone", foreign=True)),
    ],
)
def test_a_pool_is_read(text: str, pool: Pool) -> None:
    assert Pool.parse(text) == pool


@pytest.mark.parametrize("text", ["Cpu", "cpu:fast", "cpu:foreign:train", "cpu:serve:train", ":train"])
def test_what_is_no_pool_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="valid"):
        Pool.parse(text)


def test_several_are_parted_by_spaces_or_commas() -> None:
    assert [pool.name for pool in parse_pools("cpu, stone:foreign gpu")] == ["cpu", "stone", "gpu"]
