"""What makes many small tests in one process fast."""

import gc

import pytest
import structlog


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported out of all later collections of garbage: it stays, and going through it takes long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Log as `warren.logs` does for people: with every local variable, a traceback takes half a second to draw."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])
