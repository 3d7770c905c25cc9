"""What makes many small tests in one process fast."""

import gc
import os

import pytest
import structlog

gc.disable()  # what is imported from here on stays


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Have `-n auto` be one process more than there are processors: now and then each of them waits for a clock."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported out of later collections of garbage, and go through all the rest less often."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 100)


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Log as `warren.logs` does for people: with every local variable, a traceback takes half a second to draw."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


@pytest.fixture
def frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test come soon to what comes with the next look at the records, for want of a reply or an event."""
    monkeypatch.setattr("warren.client.watch.SWEEP_SECONDS", 0.05)
