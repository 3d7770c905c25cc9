"""Fixtures of the end-to-end suite: one installation for all of it, on the local cluster.

The suite owns the namespace `warren` of that cluster: whatever an earlier run left there goes first. A failed test is
followed by all there is to know about the namespace.
"""

from collections.abc import Generator, Iterator

import pytest

from tests.e2e.diary import Diary
from tests.e2e.lost import Lost, lose
from tests.e2e.namespace import Namespace
from tests.e2e.release import Release
from tests.e2e.workshop import Workshop
from warren.client import Client

_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let what is measured be repeated more often than a test needs."""
    parser.addoption("--rounds", type=int, default=1, help="how often pools are woken, and made smaller")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test's setup or call failed, for whoever cleans up after it."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(name="rounds")
def _rounds(pytestconfig: pytest.Config) -> int:
    """How often it is to be done."""
    return int(pytestconfig.getoption("--rounds"))


@pytest.fixture(scope="session", name="diary")
def _diary(pytestconfig: pytest.Config) -> Diary:
    """The terminal."""
    return Diary(pytestconfig)


@pytest.fixture(scope="session", name="release")
def _release(diary: Diary) -> Iterator[Release]:
    """Warren, freshly installed; gone afterwards."""
    release = Release()
    with diary.stage("removing what an earlier run left"):
        release.clear()
    try:
        with diary.stage("helm install --wait, in a namespace that enforces Pod Security restricted"):
            release.install()
    except BaseException:
        diary.investigate(release.namespace)
        raise
    yield release
    with diary.stage("removing everything"):
        release.clear()


@pytest.fixture(autouse=True)
def _told(request: pytest.FixtureRequest, diary: Diary, release: Release) -> Iterator[None]:
    """Tell each scenario's name and time, and after a failure what can be found out."""
    with diary.stage(request.node.name):
        yield
    if request.node.stash.get(_FAILED, False):
        diary.investigate(release.namespace)


@pytest.fixture(name="namespace")
def _namespace(release: Release) -> Namespace:
    """The namespace that Warren is installed in."""
    return release.namespace


@pytest.fixture(scope="session", name="workshop")
def _workshop(release: Release, diary: Diary) -> Workshop:
    """A pool with tasks of one's own, added to the release."""
    with diary.stage("helm upgrade with another pool"):
        return Workshop.added_to(release)


@pytest.fixture(scope="session", name="lost")
def _lost(release: Release, workshop: Workshop) -> Lost:
    """Tasks of a pool that came with the workshop's, whose messages are gone."""
    with release.namespace.forwarded("warren-producer", 8000) as address, Client(f"http://{address}") as client:
        return lose(release.namespace, client)


@pytest.fixture(name="api")
def _api(namespace: Namespace) -> Iterator[str]:
    """The producer's URL, through a port-forward."""
    with namespace.forwarded("warren-producer", 8000) as address:
        yield f"http://{address}"


@pytest.fixture(name="client")
def _client(api: str) -> Iterator[Client]:
    """A client of the API."""
    with Client(api) as client:
        yield client
