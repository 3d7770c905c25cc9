"""Whose webhook is sent next: shares of payers, of their sites and at a host, and turns that go round."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator

import pytest

from warren.webhook import DueWebhook
from warren_consumer.system.webhooks.turns import AT_ONCE, TO_A_HOST, WAIT_FOR_A_HOST, WAIT_IN_ALL, Held, Turns


def held(host: str, caller: str | None = None) -> Held:
    return Held.of(DueWebhook("a task", f"http://{host}:81/hook", tries=0, claim=1, caller=caller), until=0)


def admitted(turns: Turns, caller: str | None, *hosts: str) -> int:
    """Return for how many of a payer's webhooks there was a seat."""
    return sum(turns.admit(held(host, caller)) for host in hosts)


def sent(turns: Turns) -> Iterator[Held]:
    """Have sent whatever may be sent now."""
    return iter(turns.next, None)


def a_site(number: int) -> str:
    return f"9.{number >> 8}.{number & 255}.1"


def test_a_key_has_a_share_of_the_seats_whatever_its_hosts_are() -> None:
    turns = Turns()
    assert admitted(turns, "ann", *map(a_site, range(WAIT_IN_ALL))) == WAIT_IN_ALL // 2
    assert admitted(turns, "bob", "receiver.example") == 1
    assert admitted(turns, None, "receiver.example") == 1


def test_a_site_has_a_share_of_its_keys_seats() -> None:
    turns = Turns()
    assert admitted(turns, "ann", *(f"{number}.slow.example" for number in range(WAIT_IN_ALL))) == WAIT_IN_ALL // 4
    assert admitted(turns, "ann", "quick.example") == 1


def test_a_key_has_a_share_of_the_places_whatever_its_hosts_are() -> None:
    turns = Turns()
    admitted(turns, "ann", *map(a_site, range(2 * AT_ONCE)))
    assert len([*sent(turns)]) == AT_ONCE // 2
    admitted(turns, "bob", "receiver.example")
    assert [one.payer for one in sent(turns)] == ["bob"]


def test_places_that_were_given_back_are_taken_again() -> None:
    turns = Turns()
    admitted(turns, None, *map(a_site, range(2 * AT_ONCE)))
    for _ in range(2):
        now = [*sent(turns)]
        assert len(now) == AT_ONCE
        for one in now:
            turns.done(one)
    assert turns.next() is None
    assert not turns.full


def test_at_one_host_a_key_leaves_places_to_others() -> None:
    turns = Turns()
    assert admitted(turns, "ann", *["shared.example"] * (2 * WAIT_FOR_A_HOST)) == WAIT_FOR_A_HOST
    assert len([*sent(turns)]) == TO_A_HOST
    assert admitted(turns, "bob", *["shared.example"] * 10) == 10, "they do not wait behind those of ann"
    assert Counter(one.payer for one in sent(turns)) == {"bob": TO_A_HOST // 2}


def test_turns_go_round() -> None:
    turns = Turns()
    for caller, hosts in {
        "ann": ["a.x.example", "a.x.example", "b.x.example", "c.example"],
        "bob": ["d.example"],
    }.items():
        admitted(turns, caller, *hosts)
    assert [one.host for one in sent(turns)] == ["a.x.example", "d.example", "c.example", "b.x.example", "a.x.example"]


@pytest.mark.parametrize("names", ["9.{1}.{2}.1", "{0}.slow.example"], ids=["their own sites", "one site"])
@pytest.mark.parametrize("caller", ["ann", None])
def test_what_waits_costs_next_to_nothing_at_the_turns_of_others(caller: str | None, names: str) -> None:
    turns = Turns()
    admitted(turns, caller, *(names.format(number, *divmod(number, 256)) for number in range(WAIT_IN_ALL // 2)))
    sending, begin = deque(sent(turns)), time.thread_time()
    for number in range(500):
        admitted(turns, "bob", a_site(number))
        sending += sent(turns)
        turns.done(sending.popleft())
    assert time.thread_time() - begin < 0.5, "a thousandth of a second for one of the others"
