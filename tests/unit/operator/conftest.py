"""Fixtures for the operator's unit tests."""

from __future__ import annotations

import pytest

from tests.unit.operator.world import World


@pytest.fixture
def world() -> World:
    """Give a world in which nothing has happened yet."""
    return World()
