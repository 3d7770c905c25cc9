"""A process without Warren's variables, and an API that answers it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.functions.api import Api
from tests.unit.gateway import answered_by
from warren.client import default


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("WARREN_URL", "WARREN_BROKER_URL", "WARREN_RECORDS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(default, "_default", default._Default())  # noqa: SLF001 - each test is a process of its own
    yield
    default._default.set(None)  # noqa: SLF001


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Give the API that is found at every address."""
    api = Api()
    answered_by(api, monkeypatch)
    return api
