"""Fixtures that give integration tests real servers, of the lines that Warren supports.

What speaks to the broker and the store by itself runs on each line: core, consumers, the operator's looks at the
broker, and the tools that start servers. The rest (the producer, whole installations) reaches them through core alone:
it runs on the older line here, and on the newer one in `tests/e2e`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.integration.memory import folder_in_memory
from tests.integration.servers import Workspace, create, workspace
from tools.stack.packages import NEWEST, RELEASES, Release, release_of
from tools.stack.serverset import ServerSet

_HERE = Path(__file__).parent
_ON_EACH_LINE = ("consumer/", "core/", "operator/test_broker_figures.py", "operator/test_wakes.py", "test_servers.py")
_APART = "apart"
_OPERATOR = "tests/integration/operator/"
_CORE = "tests/integration/core/"
_numbers = itertools.count(1)


def _line(release: Release) -> str:
    return f"rabbitmq-{release.rabbitmq}-{release.store}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let another line of RabbitMQ be named, such as that of `make test-brokers`."""
    lines = [release.rabbitmq for release in (*RELEASES, NEWEST)]
    parser.addoption("--rabbitmq", choices=lines, help="test on this line of RabbitMQ alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs servers on its lines, or on the one that was named."""
    if "servers" in metafunc.fixturenames:
        named = metafunc.config.getoption("--rabbitmq", default=None)
        releases = [release_of(named)] if named else _releases(metafunc.definition.path)
        lines = [pytest.param(known, id=_line(known)) for known in releases]
        metafunc.parametrize("servers", lines, indirect=True, scope="session")


def _releases(file: Path) -> Sequence[Release]:
    """Return those that a file of tests runs on."""
    return RELEASES if file.relative_to(_HERE).as_posix().startswith(_ON_EACH_LINE) else RELEASES[:1]


class _ByLine(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out whole files, of one line after the other: to change the line, a worker has to start other servers.

    What needs neither line is as good as one more line. Core's many small tests come last, and fill the time in which
    others still wait. The operator's tests share the kinds of a cluster, and so a worker. (xdist's own groups are marks
    that it adds to a test's id, which pytest 9.2 no longer lets it.)
    """

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        self._lines: dict[object, str] = {}

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        line = re.search(r"rabbitmq-[\d.]+", nodeid)
        if file.startswith(_OPERATOR):
            return f"{_APART} {_OPERATOR}"
        return f"{line[0] if line else _APART} {file}"

    def _assign_work_unit(self, node: object) -> None:
        left = Counter(scope.partition(" ")[0] for scope in self.workqueue)
        line = self._lines.get(node)
        if line not in left:
            workers = Counter(self._lines.values())
            line = self._lines[node] = min(left, key=lambda line: (workers[line], -left[line]))
        following = min((scope for scope in self.workqueue if scope.startswith(f"{line} ")), key=_is_of_core)
        self.workqueue.move_to_end(following, last=False)
        super()._assign_work_unit(node)


def _is_of_core(scope: str) -> bool:
    return _CORE in scope


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Share the tests out among the workers of pytest-xdist."""
    return _ByLine(config, log)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerSet]:
    """Every server, running: by turns with Debian 12's RabbitMQ 3.10 and Redis, and with Debian 13's 4.0 and Valkey."""
    release: Release = request.param
    folder = tmp_path_factory.mktemp(_line(release))
    with folder_in_memory(instead=folder) as state, create(release, state).running() as running:
        yield running


@pytest.fixture(name="workspace")
def _workspace(servers: ServerSet) -> Iterator[Workspace]:
    """A virtual host, a bucket and an empty store for this test alone."""
    with workspace(servers, f"test-{next(_numbers)}") as own:
        yield own
