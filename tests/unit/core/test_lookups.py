"""Names that are looked up: side by side, and no name server that is silent keeps others from theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from warren.errors import UnreachableError
from warren.outbound import transport
from warren.outbound.addresses import site
from warren.outbound.lookups import Lookups
from warren.outbound.transport import Outbound

SOON = 2.0
SILENT = "silent.example"
TOO_LARGE_A_STACK = 1 << 50
"""No system has room for it: threads cannot be begun."""


class NameServer:
    """Says where every host is, and nothing of those of one site."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._speaks = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        """Answer, sooner or later."""
        assert port == 80
        self.asked.append(host)
        if host.endswith(SILENT):
            assert self._speaks.wait(10)
        if host.startswith("no."):
            raise OSError(f"{host} is not known")
        return ["192.0.2.1"]

    def speak(self) -> None:
        """Answer those who wait."""
        self._speaks.set()


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    """A name server; its threads end with the test."""
    server = NameServer()
    yield server
    server.speak()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not check():  # noqa: ASYNC110 - it happens in a thread
            await asyncio.sleep(0.005)


def begun(lookups: Lookups, *hosts: str, payer: str | None = None) -> list[asyncio.Task[Sequence[str]]]:
    return [asyncio.create_task(lookups.addresses(host, 80, payer)) for host in hosts]


async def test_a_silent_name_server_leaves_room_for_the_names_of_others(server: NameServer) -> None:
    lookups = Lookups(server, most=8)
    waiting = begun(lookups, *(f"{number}.{SILENT}" for number in range(100)))
    await until(lambda: len(server.asked) == 4)
    for host in ("a.example", "other.example"):
        assert await asyncio.wait_for(lookups.addresses(host, 80), SOON) == ["192.0.2.1"]
    assert len(server.asked) == 4 + 2
    server.speak()
    assert await asyncio.wait_for(asyncio.gather(*waiting), SOON) == [["192.0.2.1"]] * 100


async def test_a_payer_has_a_share_whatever_its_names_are(server: NameServer) -> None:
    lookups = Lookups(server, most=6)
    begun(lookups, *(f"{number}.{number}{SILENT}" for number in range(9)), payer="ann")
    await until(lambda: len(server.asked) == 3)
    begun(lookups, *(f"x{number}.{number}{SILENT}" for number in range(9)), payer="bob")
    await until(lambda: len(server.asked) == 4)
    assert await asyncio.wait_for(lookups.addresses("a.example", 80, "eve"), SOON) == ["192.0.2.1"]


async def test_a_name_that_is_being_looked_up_is_not_looked_up_twice(server: NameServer) -> None:
    lookups = Lookups(server, most=8)
    for impatient in begun(lookups, SILENT, SILENT):
        impatient.cancel()
    waiting = begun(lookups, SILENT, SILENT)
    await until(lambda: bool(server.asked))
    server.speak()
    assert await asyncio.gather(*waiting) == [["192.0.2.1"]] * 2
    assert server.asked == [SILENT]
    await lookups.addresses(SILENT, 80)
    assert server.asked == [SILENT] * 2, "what was found is not kept: names change"


async def test_a_name_that_is_not_known_is_said_to_all_who_ask(server: NameServer) -> None:
    lookups = Lookups(server)
    for outcome in await asyncio.gather(*begun(lookups, "no.example", "no.example"), return_exceptions=True):
        assert isinstance(outcome, OSError)


async def test_a_lookup_has_a_time_and_its_thread_is_nobody_elses(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.05)
    async with Outbound(resolve=Lookups(server).addresses) as outbound:
        with pytest.raises(UnreachableError, match="was not resolved within"):
            async with outbound.send("GET", f"http://{SILENT}/"):
                pass
    assert not any(thread.name == "warren-lookup" and not thread.daemon for thread in threading.enumerate())
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 17), SOON) == 17


async def test_a_thread_that_could_not_be_had_is_tried_anew_the_next_time(server: NameServer) -> None:
    lookups = Lookups(server, most=1)
    before = threading.stack_size(TOO_LARGE_A_STACK)
    try:
        with pytest.raises(OSError, match="no thread"):
            await lookups.addresses("a.example", 80)
    finally:
        threading.stack_size(before)
    for host in ("a.example", "b.example"):
        assert await asyncio.wait_for(lookups.addresses(host, 80), SOON) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("host", "its"),
    [("a.b.Example.org.", "example.org"), ("localhost", "localhost"), ("192.0.2.7", "192.0.2.7")],
)
def test_neighbours_have_the_last_two_words_of_their_names_in_common(host: str, its: str) -> None:
    assert site(host) == its
