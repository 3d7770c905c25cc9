"""The pipeline to the store: who travels with whom, and who is told what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from warren.records.pipeline import Command, Pipeline, Shared, Tell


class Store:
    """Answers each command with its own words, once it may."""

    def __init__(self) -> None:
        self.rounds: list[list[Command]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, commands: Sequence[Command], tell: Tell) -> None:
        """Carry one round."""
        self.rounds.append(list(commands))
        await self.open.wait()
        for place, command in enumerate(commands):
            tell(place, ValueError("bad") if "bad" in command else command[0])


@pytest.fixture(name="store")
async def _store() -> Store:
    return Store()


async def test_what_is_asked_in_one_turn_goes_together(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=2, seconds=5)
    assert await asyncio.gather(*(pipeline.ask((number,)) for number in range(5))) == [0, 1, 2, 3, 4]
    assert await pipeline.ask((5,)) == 5
    assert list(map(len, store.rounds)) == [5, 1]


async def test_a_round_is_bounded_and_what_follows_gathers_for_the_next(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5, most=3)
    store.open.clear()
    answers = [pipeline.ask((number,)) for number in range(4)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answers.append(pipeline.ask((4,)))
    await asyncio.sleep(0.01)
    assert list(map(len, store.rounds)) == [3]
    store.open.set()
    assert await asyncio.gather(*answers) == [0, 1, 2, 3, 4]
    assert list(map(len, store.rounds)) == [3, 2]


async def test_an_error_reaches_its_own_caller(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5)
    good, bad, last = (pipeline.ask(command) for command in [("a",), ("b", "bad"), ("c",)])
    assert (await good, await last) == ("a", "c")
    with pytest.raises(ValueError, match="bad"):
        await bad


async def test_a_lost_round_is_told_to_everyone_in_it_and_no_one_else() -> None:
    async def send(commands: Sequence[Command], tell: Tell) -> None:
        for place, [word] in enumerate(commands):
            if word == "lost":
                raise ConnectionError("gone")
            tell(place, word)

    pipeline = Pipeline(send, rounds=1, seconds=5)
    before, *lost = [pipeline.ask((word,)) for word in ("before", "lost", "too")]
    assert [type(said) for said in await asyncio.gather(*lost, return_exceptions=True)] == [ConnectionError] * 2
    assert await before == "before"
    assert await pipeline.ask(("next",)) == "next"


async def test_an_answer_is_told_while_the_rest_of_its_round_is_under_way() -> None:
    rest = asyncio.Event()

    async def send(commands: Sequence[Command], tell: Tell) -> None:
        for place, [word] in enumerate(commands):
            tell(place, word)
            await rest.wait()

    pipeline = Pipeline(send, rounds=1, seconds=5)
    first, second = pipeline.ask(("first",)), pipeline.ask(("second",))
    assert await first == "first"
    assert not second.done()
    rest.set()
    assert await second == "second"


async def test_a_caller_that_gives_up_disturbs_no_other_and_is_not_sent_any_more(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5)
    store.open.clear()
    sent, other = pipeline.ask(("sent",)), pipeline.ask(("other",))
    await asyncio.sleep(0.01)
    waiting, last = pipeline.ask(("waiting",)), pipeline.ask(("last",))
    sent.cancel()
    waiting.cancel()
    store.open.set()
    assert (await other, await last) == ("other", "last")
    assert store.rounds == [[("sent",), ("other",)], [("last",)]]


async def test_a_round_whose_callers_have_all_given_up_holds_up_nobody(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5, most=1)
    store.open.clear()
    first, given_up, last = (pipeline.ask((name,)) for name in "abc")
    await asyncio.sleep(0.01)
    given_up.cancel()
    store.open.set()
    assert (await first, await last) == ("a", "c")


async def test_closing_gives_up_what_is_asked(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5)
    store.open.clear()
    under_way = pipeline.ask(("a",))
    await asyncio.sleep(0.01)
    waiting = pipeline.ask(("b",))
    await pipeline.close()
    assert under_way.cancelled()
    assert waiting.cancelled()


async def test_what_is_not_answered_in_time_is_told_so_sent_or_not(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=0.05)
    store.open.clear()
    sent = pipeline.ask(("sent",))
    await asyncio.sleep(0.03)
    waiting = pipeline.ask(("waiting",))
    with pytest.raises(TimeoutError):
        await sent
    assert not waiting.done()
    with pytest.raises(TimeoutError):
        await waiting
    store.open.set()
    assert await pipeline.ask(("next",)) == "next"
    assert store.rounds == [[("sent",)], [("next",)]]


async def test_what_was_asked_first_is_told_first_though_a_later_round_is_faster() -> None:
    slow, told = asyncio.Event(), list[str]()

    async def send(commands: Sequence[Command], tell: Tell) -> None:
        if ("first",) in commands:
            await slow.wait()
        for place, [word] in enumerate(commands):
            tell(place, word)

    async def ask(word: str) -> None:
        told.append(await pipeline.ask((word,)))

    pipeline = Pipeline(send, rounds=2, seconds=5)
    asking = [asyncio.create_task(ask("first"))]
    await asyncio.sleep(0.01)
    asking.append(asyncio.create_task(ask("second")))
    await asyncio.sleep(0.01)
    assert told == []
    slow.set()
    await asyncio.gather(*asking)
    assert told == ["first", "second"]
    assert await pipeline.ask(("third",)) == "third"


async def test_a_lost_round_lets_the_one_behind_it_be_told() -> None:
    lost = asyncio.Event()

    async def send(commands: Sequence[Command], tell: Tell) -> None:
        if ("lost",) in commands:
            await lost.wait()
            raise ConnectionError("gone")
        tell(0, "answered")

    pipeline = Pipeline(send, rounds=2, seconds=5)
    first = pipeline.ask(("lost",))
    await asyncio.sleep(0.01)
    second = pipeline.ask(("second",))
    await asyncio.sleep(0.01)
    assert not second.done()
    lost.set()
    with pytest.raises(ConnectionError):
        await first
    assert await second == "answered"


async def test_what_shares_a_command_goes_as_one_and_all_are_told(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5)
    shared = Shared(lambda keys: pipeline.ask(("note", *keys)), most=3)
    assert await asyncio.gather(*map(shared.ask, "abcd")) == ["note"] * 4
    assert await shared.ask("e") == "note"
    assert store.rounds == [[("note", "a", "b", "c"), ("note", "d")], [("note", "e")]]


async def test_a_fault_of_a_shared_command_is_everybodys_who_has_not_given_up(store: Store) -> None:
    pipeline = Pipeline(store.send, rounds=1, seconds=5)
    shared = Shared(lambda keys: pipeline.ask(("note", *keys)))
    given_up, *others = map(shared.ask, ("a", "bad", "c"))
    given_up.cancel()
    assert [type(said) for said in await asyncio.gather(*others, return_exceptions=True)] == [ValueError] * 2
    store.open.clear()
    under_way = shared.ask("d")
    await asyncio.sleep(0.01)
    await pipeline.close()
    await asyncio.sleep(0)
    assert under_way.cancelled()
