"""The connection to Valkey or Redis: runs the Lua steps of `steps/`, many together, and names a store that is away.

Before each step stands what it uses of `prelude.lua`. A step that is asked for again because its answer was lost on the
way finds what it did the first time.

Forbidden elsewhere: importing `redis`.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from importlib.resources import files
from typing import Any, Final, cast

from hiredis import pack_command
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from warren.address import without_password
from warren.errors import RecordsUnavailableError
from warren.records.parcels import Part, parcels
from warren.records.pipeline import Answer, Command, Pipeline, Shared, Tell

ANSWER_SECONDS: Final = 0.8
"""How long a step waits for the store unless told, a second try over a new connection included: within a second, an
API's callers learn."""

CONNECTIONS: Final = 2
"""How many rounds of steps one process has under way at the store."""

_DEFINITION: Final = re.compile(r"^(?=local )", re.MULTILINE)
_DEFINED: Final = re.compile(r"local (?:function )?(\w+)")


class Store:
    """The steps, by name, at the store of `url`; `names` is Lua that stands before the prelude.

    Those `together` may be asked for several keys at once.
    """

    def __init__(
        self, url: str, steps: Iterable[str], together: Iterable[str], names: str, seconds: float = ANSWER_SECONDS
    ) -> None:
        # It makes the connections, as the URL says, and keeps none: to take one from it and to give it back cost more
        # than the round itself. Nor do they keep time, for which they would start a task with each write.
        self._maker = ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=seconds)
        self._idle: list[AbstractConnection] = []
        self._where = without_password(url)
        self._seconds = seconds
        self._scripts = {step: _script(names, _text(step)) for step in steps}
        self._scripts |= {step: _script(names, _together(step)) for step in together}
        self._digests = {step: hashlib.sha1(text).hexdigest() for step, text in self._scripts.items()}  # noqa: S324 - EVALSHA's
        self._pipeline = Pipeline(self._send, rounds=CONNECTIONS, seconds=seconds)

    def run(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Coroutine[Any, Any, Any]:
        """Run one step, asked for as soon as this is called; await its answer.

        Raises:
            RecordsUnavailableError: the store does not answer, or refuses.

        """
        return self._answer(self._ask(step, keys, *arguments))

    async def run_each(self, step: str, keys: Iterable[str]) -> Sequence[Any]:
        """Run a step for each of the keys, together."""
        answers: list[Any] = await self._answer(asyncio.gather(*(self._ask(step, [key]) for key in keys)))
        return answers

    def sharing(self, step: str) -> Callable[[str], Coroutine[Any, Any, Any]]:
        """Return what runs a step that takes any number of keys, and one of them from each caller of a turn."""
        shared = Shared(lambda keys: self._ask(step, keys))
        return lambda key: self._answer(shared.ask(key))

    def run_together(self, step: str, key: str, *arguments: str | bytes | float) -> Coroutine[Any, Any, Any]:
        """Run one of the steps `together`, for one key, in one command with what its round brings for the same step.

        What goes wrong with one of them is its caller's alone.
        """
        return self._answer(self._pipeline.ask(Part((self._digests[step], key, *arguments))))

    async def send(self, *command: str | bytes | float) -> None:
        """Send a command that is no step."""
        await self._answer(self._pipeline.ask(command))

    async def close(self) -> None:
        """Close the connections."""
        await self._pipeline.close()
        await self._forget()

    def _ask(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Answer:
        return self._pipeline.ask(("EVALSHA", self._digests[step], len(keys), *keys, *arguments))

    async def _send(self, asked: Sequence[Command], tell: Tell) -> None:
        """Send what is asked together; a store that was restarted is taught the scripts anew."""
        made = list(parcels(asked))
        unknown: dict[int, Command] = {}

        def hand_out(number: int, word: object) -> None:
            made[number].hand_out(word, tell)

        def hear(number: int, word: object) -> None:
            if isinstance(word, NoScriptError):
                unknown[number] = made[number].command
            else:
                hand_out(number, word)

        async with asyncio.timeout(self._seconds):
            await self._exchange({number: parcel.command for number, parcel in enumerate(made)}, hear)
            if unknown:
                lessons = (("SCRIPT", "LOAD", text) for text in self._scripts.values())
                await self._exchange(dict(enumerate(lessons)), lambda *_: None)
                await self._exchange(unknown, hand_out)

    async def _exchange(self, commands: dict[int, Command], tell: Tell) -> None:
        """Have each command answered; over a new connection where the one at hand turns out to be gone."""
        try:
            await self._over(commands, tell)
        except ConnectionError:
            await self._forget()
            await self._over(commands, tell)

    async def _over(self, commands: dict[int, Command], tell: Tell) -> None:
        """Use one connection for one exchange. One that was left in the middle of it is of no use to the next.

        What was answered is struck off: it is not asked again.
        """
        connection = self._idle.pop() if self._idle else self._new_connection()
        try:
            if connection.is_connected and await connection.can_read():
                await connection.disconnect(nowait=True)  # nothing was asked: what there is to read is its end
            if not connection.is_connected:
                await connection.connect()  # type: ignore[no-untyped-call]
            packed = (pack_command(cast("tuple[Any]", tuple(command))) for command in commands.values())
            await connection.send_packed_command(b"".join(packed))
            for place in tuple(commands):
                tell(place, await _said(connection))
                del commands[place]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._idle.append(connection)

    def _new_connection(self) -> AbstractConnection:
        made: AbstractConnection = self._maker.make_connection()  # type: ignore[no-untyped-call]
        return made

    async def _forget(self) -> None:
        """Close the connections that are not in use: a store that has gone has left none of them."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def _answer(self, answer: Awaitable[Any]) -> Any:  # noqa: ANN401
        """Await what is asked of the store, and name it when it does not answer."""
        try:
            return await answer
        except TimeoutError as error:
            raise RecordsUnavailableError(f"the record store at {self._where} does not answer") from error
        except RedisError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: RedisError) -> RecordsUnavailableError:
        if isinstance(error, AuthenticationError | NoPermissionError):
            detail = f"the record store at {self._where} refuses the credentials: {error}"
            return RecordsUnavailableError(detail, retry_after=None)
        return RecordsUnavailableError(f"the record store at {self._where} does not answer: {error}")


async def _said(connection: AbstractConnection) -> Any:  # noqa: ANN401
    """Return the next answer, or the error that it is; the round that it belongs to has its own time limit."""
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error


def _script(names: str, text: str) -> bytes:
    return _with_what_it_uses(names + _text("prelude"), text).encode()


def _text(name: str) -> str:
    return files("warren.records").joinpath("steps", f"{name}.lua").read_text()


def _together(step: str) -> str:
    return f"local function step(KEYS, ARGV)\n{_text(step)}\nend\n{_text('together')}"


def _with_what_it_uses(prelude: str, text: str) -> str:
    """Put before a step those definitions that it uses: each costs something every time that the step runs."""
    for definition in reversed(_DEFINITION.split(prelude)):
        defined = _DEFINED.match(definition)
        if defined and re.search(rf"\b{defined[1]}\b", text):
            text = definition + text
    return text
