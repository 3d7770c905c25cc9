"""Fixtures that give integration tests real servers, of each line that Warren supports."""

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.servers import Workspace, create, workspace
from tools.stack.packages import NEWEST, RELEASES, Release, release_of
from tools.stack.serverset import ServerSet

_numbers = itertools.count(1)


def _line(release: Release) -> str:
    return f"rabbitmq-{release.rabbitmq}-{release.store}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let another line of RabbitMQ be named, such as that of `make test-brokers`."""
    lines = [release.rabbitmq for release in (*RELEASES, NEWEST)]
    parser.addoption("--rabbitmq", choices=lines, help="test on this line of RabbitMQ alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs servers on each line, or on the one that was named."""
    if "servers" in metafunc.fixturenames:
        named = metafunc.config.getoption("--rabbitmq", default=None)
        releases = [release_of(named)] if named else RELEASES
        lines = [
            pytest.param(known, id=_line(known), marks=pytest.mark.xdist_group(_line(known))) for known in releases
        ]
        metafunc.parametrize("servers", lines, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups at the same call
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each line's tests share one worker and its servers, and what needs neither line have a third."""
    for item in items:
        if not any(item.iter_markers("xdist_group")):
            item.add_marker(pytest.mark.xdist_group("apart"))


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerSet]:
    """Every server, running: by turns with Debian 12's RabbitMQ 3.10 and Redis, and with Debian 13's 4.0 and Valkey."""
    release: Release = request.param
    with create(release, tmp_path_factory.mktemp(_line(release))).running() as running:
        yield running


@pytest.fixture(name="workspace")
def _workspace(servers: ServerSet) -> Iterator[Workspace]:
    """A virtual host, a bucket and an empty store for this test alone."""
    with workspace(servers, f"test-{next(_numbers)}") as own:
        yield own
