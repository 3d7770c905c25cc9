"""What makes many small tests in one process fast."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
import structlog

from tests.unit.hurry import hurried

gc.disable()  # what is imported from here on stays


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported out of later collections of garbage, and go through all the rest less often."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(700, 10, 100)


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Log as `warren.logs` does for people: with every local variable, a traceback takes half a second to draw."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


@pytest.fixture
async def hurry() -> AsyncIterator[None]:
    """Let what a test waits for on its loop be over sooner: pauses between tries, polls, limits of time."""
    with hurried(asyncio.get_running_loop()):
        yield
