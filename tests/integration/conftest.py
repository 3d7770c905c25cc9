"""Fixtures that give integration tests real servers, of each line that Warren supports."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.servers import Workspace, create, workspace
from tools.stack.packages import RELEASES, Release
from tools.stack.serverset import ServerSet

_numbers = itertools.count(1)


def _line(release: Release) -> str:
    return f"rabbitmq-{release.rabbitmq}-{release.store}"


@pytest.fixture(scope="session", params=RELEASES, ids=_line)
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerSet]:
    """Every server, running: once with Debian 12's RabbitMQ 3.10 and Redis, once with Debian 13's 4.0 and Valkey."""
    release: Release = request.param
    with create(release, tmp_path_factory.mktemp(_line(release))).running() as running:
        yield running


@pytest.fixture(name="workspace")
def _workspace(servers: ServerSet) -> Iterator[Workspace]:
    """A virtual host, a bucket and an empty store for this test alone."""
    with workspace(servers, f"test-{next(_numbers)}") as own:
        yield own
