"""What makes many runs of one command line fast."""

from collections.abc import Iterator
from functools import cache

import pytest
from typer.main import get_command


@pytest.fixture(autouse=True, scope="session")
def _read_once() -> Iterator[None]:
    """Make the commands once, as a process does, and not for each run: that is most of what a run takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield
