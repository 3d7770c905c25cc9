"""A client that was in use before the process was forked: its thread and connections stay with the parent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.unit.client.test_clients import document
from tests.unit.functions.forking import in_a_forked_process
from tests.unit.gateway import answered_by
from warren import AsyncClient, Client
from warren.errors import ClientClosedError


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(lambda _: document("queued"), monkeypatch)


@pytest.fixture
def client() -> Iterator[Client]:
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


def test_one_of_asyncio_is_refused_too_and_the_parent_goes_on() -> None:
    client = AsyncClient("http://api")

    def child() -> None:
        for use in (lambda: client.submit("echo"), job.status, client.__aenter__):
            refused(lambda use=use: asyncio.run(use()))  # type: ignore[misc]
        asyncio.run(client.close())
        refused(lambda: asyncio.run(job.status()))
        assert asyncio.run(AsyncClient("http://api").submit("echo")).id == "1"

    with asyncio.Runner() as parent:
        job = parent.run(client.submit("echo"))
        assert in_a_forked_process(child) == 0
        assert parent.run(client.submit("echo")).id == "1"


def test_one_of_asyncio_that_nobody_used_is_its_first_users() -> None:
    client = AsyncClient("http://api")
    assert in_a_forked_process(lambda: asyncio.run(client.submit("echo"))) == 0
