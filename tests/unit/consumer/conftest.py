"""Fixtures for the consumer's unit tests."""

from __future__ import annotations

import pytest

from tests.unit.consumer.stage import Stage


@pytest.fixture
async def stage() -> Stage:
    """Give a fresh stage."""
    return Stage()
