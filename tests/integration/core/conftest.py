"""Records of both adapters, each in a world whose clock can be moved."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.core.store_world import Store
from tests.integration.servers import Workspace
from tests.unit.core.worlds import Memory, World


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, workspace: Workspace) -> AsyncIterator[World]:
    """Give the worlds of both adapters in turn."""
    world: World = Memory() if request.param == "memory" else Store(workspace.records_url)
    yield world
    await world.close()
