"""A client that was made before the process was forked: its thread and connections stay with the parent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.client.test_clients import document
from tests.unit.functions.forking import in_a_forked_process
from tests.unit.gateway import answered_by
from warren import Client
from warren.errors import ClientClosedError


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    answered_by(lambda _: document("queued"), monkeypatch)
    with Client("http://api") as client:
        yield client


def refused(use: Callable[[], object]) -> None:
    with pytest.raises(ClientClosedError, match=r"before the fork.*make one in this process"):
        use()


def test_it_is_refused_at_once_and_another_may_be_made(client: Client) -> None:
    def child() -> None:
        for use in (
            lambda: client.submit("echo"),
            lambda: client.job("1").status,
            lambda: list(client.as_completed([client.job("1")])),
        ):
            refused(use)
        with Client("http://api") as own:
            assert own.submit("echo").id == "1"

    assert in_a_forked_process(child) == 0


def test_leaving_it_there_does_nothing_and_the_parent_goes_on(client: Client) -> None:
    def child() -> None:
        with client:
            pass
        client.close()

    assert in_a_forked_process(child) == 0
    assert client.submit("echo").id == "1"


def test_a_lock_that_was_held_at_the_fork_holds_nobody_up(client: Client) -> None:
    def child() -> None:
        refused(lambda: client.submit("echo"))
        client.close()

    with client._thread._lock:  # noqa: SLF001 - of another thread, that is, which would hold it by chance
        assert in_a_forked_process(child) == 0
