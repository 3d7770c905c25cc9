"""The addresses of hosts: looked up in threads that nobody else waits for, few of them for one payer.

The system's resolver is asked, since it alone knows what the machine's own files say. It cannot be told to hurry or to
stop: a name server that does not answer holds a thread for half a minute. So threads are few; a name that is being
looked up is not looked up a second time; and no payer has more threads than it leaves to others.

Forbidden here: which addresses may be connected to.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from warren.outbound.addresses import site
from warren.shares import Shares

MOST_LOOKUPS: Final = 64
"""How many names are looked up at once."""

LookUp = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host for connections to a port; raises `OSError`."""

Found = Sequence[str] | Exception


def system_addresses(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver; this takes as long as it takes."""
    return [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Lookups:
    """Looks names up. It belongs to the event loop that it is first used in."""

    def __init__(self, look_up: LookUp = system_addresses, most: int = MOST_LOOKUPS) -> None:
        self._look_up = look_up
        self._places = Shares(most)
        self._under_way: dict[tuple[str, int], asyncio.Future[Found]] = {}
        self._freed = asyncio.Event()

    async def addresses(self, host: str, port: int, payer: str | None = None) -> Sequence[str]:
        """Return a host's addresses; whoever has no patience left is to cancel this.

        `payer` is on whose account it is looked up: the name of an API key; unless given, it is the host's site.

        Raises:
            OSError: the name is not known, nobody can say, or there is no thread to ask.
            UnicodeError: it is no name.

        """
        payer = payer or site(host)
        while (found := self._under_way.get((host, port))) is None:
            if self._places.left and self._places.fair(payer):
                found = self._begin(host, port, payer)
                break
            self._freed.clear()
            await self._freed.wait()
        outcome = await asyncio.shield(found)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _begin(self, host: str, port: int, payer: str) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()

        def look_up() -> None:
            outcome = self._outcome(host, port)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._end, host, port, payer, outcome)

        try:
            threading.Thread(target=look_up, daemon=True, name="warren-lookup").start()
        except RuntimeError as error:  # the machine, or the container, has no more threads
            raise OSError(f"no thread to look it up: {error}") from error
        self._places.take(payer)
        self._under_way[host, port] = found
        return found

    def _outcome(self, host: str, port: int) -> Found:
        try:
            return self._look_up(host, port)
        except Exception as error:  # noqa: BLE001 - it is raised to whoever waits
            return error

    def _end(self, host: str, port: int, payer: str, outcome: Found) -> None:
        self._places.give(payer)
        self._under_way.pop((host, port)).set_result(outcome)
        self._freed.set()
