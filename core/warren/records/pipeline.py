"""A pipeline to the store: what is asked for in one turn of the event loop goes there together.

With `appendfsync always` the store pays for the disk once a round, however many steps the round brings; and this
process pays for the network once. While a round is under way, what is asked for next gathers for the one after it. Each
answer is told as it comes, in the order of asking: who waits for it works on while the store is at the rest of the
round, and what was submitted first is published first.

Forbidden here: what is asked, and any outside library.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

Command = Sequence[str | bytes | int | float]
Answer = asyncio.Future[Any]
Tell = Callable[[int, Any], None]
Send = Callable[[Sequence[Command], Tell], Awaitable[None]]
"""Carries commands to the store and tells the answer to each, by its place among them; it may be an exception."""

MOST_TOGETHER: Final = 256
"""How many commands one round holds: the store does nothing else meanwhile."""


class Round:
    """Commands that go to the store together. It tells no answer before every one of the rounds ahead is told."""

    def __init__(self, wanted: Sequence[tuple[Command, Answer]]) -> None:
        self.commands = [command for command, _ in wanted]
        self.over = False
        self._answers = [answer for _, answer in wanted]
        self._first = False
        self._held: list[tuple[Answer, object]] = []

    def hear(self, place: int, word: object) -> None:
        """Tell the answer to the command at that place, now or when it is this round's turn."""
        if self._first:
            _tell(self._answers[place], word)
        else:
            self._held.append((self._answers[place], word))

    def fail(self, error: Exception) -> None:
        """Tell all of it to those who have no answer yet."""
        for place in range(len(self._answers)):
            self.hear(place, error)

    def cancel(self) -> None:
        """Give up whatever is not told."""
        for answer in self._answers:
            answer.cancel()

    def be_first(self) -> None:
        """Tell what has come so far, and all else as it comes."""
        self._first = True
        for answer, word in self._held:
            _tell(answer, word)
        self._held.clear()


class Pipeline:
    """Gathers commands into rounds, of which at most `rounds` are under way at once.

    What has no answer after `seconds`, sent or not, is told `TimeoutError`.
    """

    def __init__(self, send: Send, *, rounds: int, seconds: float, most: int = MOST_TOGETHER) -> None:
        self._send = send
        self._rounds = rounds
        self._seconds = seconds
        self._most = most
        self._turn: list[Answer] = []
        self._waiting: deque[tuple[Command, Answer]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._in_order: deque[Round] = deque()
        self._called = False

    def ask(self, command: Command) -> Answer:
        """Return the future answer to a command, or its failure; cancelling it disturbs no other caller.

        A command whose answer nobody awaits any more is not sent, unless it is under way already.
        """
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        self._waiting.append((command, answer))
        if not self._called:
            self._called = True
            self._turn = []
            loop.call_soon(self._begin)
            loop.call_later(self._seconds, _overdue, self._turn)  # one timer for all of a turn: they cost something
        self._turn.append(answer)
        return answer

    async def close(self) -> None:
        """Give up what is under way or waiting."""
        for task in self._under_way:
            task.cancel()
        for _, answer in self._waiting:
            answer.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _begin(self) -> None:
        self._called = False
        while self._waiting and len(self._under_way) < self._rounds:
            together = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            wanted = [(command, answer) for command, answer in together if not answer.done()]
            if wanted:
                self._start(Round(wanted))

    def _start(self, one: Round) -> None:
        self._in_order.append(one)
        self._in_order[0].be_first()
        carrying = asyncio.create_task(self._carry(one))
        self._under_way.add(carrying)
        carrying.add_done_callback(self._arrived)

    def _arrived(self, carried: asyncio.Task[None]) -> None:
        self._under_way.discard(carried)
        self._begin()

    async def _carry(self, one: Round) -> None:
        try:
            await self._send(one.commands, one.hear)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is for those to know who have no answer yet
            one.fail(error)
        except asyncio.CancelledError:
            one.cancel()
            raise
        finally:
            one.over = True
            while self._in_order and self._in_order[0].over:
                self._in_order.popleft()
                if self._in_order:
                    self._in_order[0].be_first()


class Shared:
    """Makes one command of what is asked for in one turn of the event loop, and tells its answer to all who asked."""

    def __init__(self, ask: Callable[[Sequence[str]], Answer], most: int = MOST_TOGETHER) -> None:
        """Take what asks for so many keys at once, `most` of them."""
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[str, Answer]] = []

    def ask(self, key: str) -> Answer:
        """Return the future answer; cancelling it disturbs no other caller."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._begin)
        answer: Answer = loop.create_future()
        self._waiting.append((key, answer))
        return answer

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), self._most):
            keys, answers = zip(*waiting[start : start + self._most], strict=True)
            self._ask(keys).add_done_callback(partial(_pass_on, answers))


def _pass_on(answers: Sequence[Answer], told: Answer) -> None:
    for answer in answers:
        if told.cancelled():
            answer.cancel()
        else:
            _tell(answer, told.exception() or told.result())


def _overdue(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(TimeoutError())


def _tell(answer: Answer, word: object) -> None:
    if answer.done():
        return
    if isinstance(word, Exception):
        answer.set_exception(word)
    else:
        answer.set_result(word)
