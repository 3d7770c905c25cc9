"""Turns: what was taken and waits here, and which of it is sent next.

Seats, for what waits, and places, for what is sent, are shared. Whoever pays, an API key or, where there is none, the
host's site, has no more of them than it leaves to others. No site of a key's has more than the key could take once
more, so that a key's own receivers do not wait for one of them. Among those who may send, turns go round: payer after
payer, of each site after site, of each host after host. To find the next one, no more is stepped over than is being
sent, however much waits.

Forbidden here: I/O, and any clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from warren.outbound.addresses import site
from warren.shares import Shares
from warren.webhook import DueWebhook

AT_ONCE: Final = 64
"""How many are sent at once: each may hold a result of a megabyte."""
TO_A_HOST: Final = 4
"""How many of them to one host for one payer; for all of them it is twice as many at most."""
WAIT_FOR_A_HOST: Final = 500
"""How many wait here for one host for one payer; more are put off, so that what else is due is found behind them.
A burst to a host that is quick goes out without a pause; what waits is small, its record is read when it is sent."""
WAIT_IN_ALL: Final = 16_000


@dataclass(frozen=True, slots=True)
class Held:
    """A webhook that was taken."""

    webhook: DueWebhook
    until: float
    """Until when, by the loop's clock, an attempt may begin."""
    host: str
    payer: str
    """On whose account it is sent: an API key's name, or else the host's site."""
    site: str | None
    """The host's site as one of several of the payer's; None where it is the payer itself."""

    @classmethod
    def of(cls, webhook: DueWebhook, until: float) -> Self:
        """Return the webhook with what turns are decided by."""
        host = urlsplit(webhook.url).hostname or ""
        its = site(host)
        if webhook.caller is None:
            return cls(webhook, until, host, its, None)
        return cls(webhook, until, host, webhook.caller, f"{webhook.caller} {its}")


class Room:
    """So many seats or places, which payers share, and the sites of each payer within its share."""

    def __init__(self, whole: int) -> None:
        self._payers = Shares(whole)
        self._sites = Shares(whole)

    @property
    def left(self) -> int:
        """How many are free."""
        return self._payers.left

    def fair(self, payer: str, its_site: str | None = None) -> bool:
        """Tell whether a payer may have one more, for the host of a site."""
        return self.left > 0 and self._payers.fair(payer, 1 + self._sites.held(its_site))

    def take(self, held: Held) -> None:
        """Take one."""
        self._payers.take(held.payer)
        self._sites.take(held.site)

    def give(self, held: Held) -> None:
        """Give one back."""
        self._payers.give(held.payer)
        self._sites.give(held.site)


Line = deque[Held]
Lines = OrderedDict[str, Line]
"""Those of one site, by host."""
Sites = OrderedDict[str | None, Lines]
"""Those of one payer."""


class Turns:
    """Who waits, who is being sent, and who is next."""

    def __init__(self) -> None:
        self._seats = Room(WAIT_IN_ALL)
        self._places = Room(AT_ONCE)
        self._at_hosts: dict[str, Shares] = {}
        self._waiting: OrderedDict[str, Sites] = OrderedDict()

    @property
    def full(self) -> bool:
        """Whether nothing more may wait."""
        return not self._seats.left

    def like(self, held: Held) -> int:
        """Return how many wait for the same host on the same account."""
        try:
            return len(self._waiting[held.payer][held.site][held.host])
        except KeyError:
            return 0

    def admit(self, held: Held) -> bool:
        """Have it wait for its turn; tell whether there is a seat for it."""
        if self.like(held) >= WAIT_FOR_A_HOST or not self._seats.fair(held.payer, held.site):
            return False
        self._seats.take(held)
        lines = self._waiting.setdefault(held.payer, OrderedDict()).setdefault(held.site, OrderedDict())
        lines.setdefault(held.host, deque()).append(held)
        return True

    def next(self) -> Held | None:
        """Return whose turn it is, who has a place from now on until it is `done`; None if nobody may be sent now."""
        held = next(self._allowed(), None)
        if held is not None:
            self._leave(held)
            self._seats.give(held)
            self._places.take(held)
            self._at_hosts.setdefault(held.host, Shares(2 * TO_A_HOST)).take(held.payer)
        return held

    def done(self, held: Held) -> None:
        """Give its place to others."""
        self._places.give(held)
        at_host = self._at_hosts[held.host]
        at_host.give(held.payer)
        if not at_host.taken:
            del self._at_hosts[held.host]

    def _allowed(self) -> Iterator[Held]:
        """Give the first of every line that may be sent from; each step over one that may not is over what is sent."""
        if not self._places.left:
            return
        for payer, sites in self._waiting.items():
            if self._places.fair(payer):
                for its_site, lines in sites.items():
                    if self._places.fair(payer, its_site):
                        yield from (line[0] for host, line in lines.items() if self._has_room(host, payer))

    def _has_room(self, host: str, payer: str) -> bool:
        at_host = self._at_hosts.get(host)
        return at_host is None or (at_host.left > 0 and at_host.fair(payer))

    def _leave(self, held: Held) -> None:
        """Have it wait no more; its payer, its site and its host are the last in their order then."""
        sites = self._waiting[held.payer]
        lines = sites[held.site]
        lines[held.host].popleft()
        _turn(lines, held.host)
        _turn(sites, held.site)
        _turn(self._waiting, held.payer)


def _turn(order: OrderedDict[Any, Any], name: str | None) -> None:
    """Put what has had its turn to the end, or strike it off if nothing of it waits any more."""
    if order[name]:
        order.move_to_end(name)
    else:
        del order[name]
