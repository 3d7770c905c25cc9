"""The connection to Valkey or Redis: runs the Lua steps of `steps/`, many together, and names a store that is away.

`prelude.lua` stands before each step. A step that is asked for again because its answer was lost on the way finds what
it did the first time.

Forbidden elsewhere: importing `redis`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004
    NoPermissionError,
    NoScriptError,
    RedisError,
)

from warren.address import without_password
from warren.errors import RecordsUnavailableError
from warren.records.pipeline import Answer, Command, Pipeline

ANSWER_SECONDS: Final = 0.8
"""How long a step waits for the store, a second try over a new connection included: callers learn within a second."""

CONNECTIONS: Final = 2
"""How many rounds of steps one process has under way at the store."""


class Store:
    """The steps, by name, at the store of `url`; `names` is Lua that stands before the prelude."""

    def __init__(self, url: str, steps: Iterable[str], names: str) -> None:
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=ANSWER_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            )
        )
        self._where = without_password(url)
        self._scripts = {step: _script(step, names) for step in steps}
        self._digests = {step: hashlib.sha1(text).hexdigest() for step, text in self._scripts.items()}  # noqa: S324 - EVALSHA's
        self._pipeline = Pipeline(self._send, rounds=CONNECTIONS)

    async def run(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Any:  # noqa: ANN401
        """Run one step.

        Raises:
            RecordsUnavailableError: the store does not answer, or refuses.

        """
        async with self._answer():
            return await self._ask(step, keys, *arguments)

    async def run_each(self, step: str, keys: Iterable[str]) -> Sequence[Any]:
        """Run a step for each of the keys, together."""
        async with self._answer():
            return await asyncio.gather(*(self._ask(step, [key]) for key in keys))

    async def send(self, *command: str | bytes | float) -> None:
        """Send a command that is no step."""
        async with self._answer():
            await self._pipeline.ask(command)

    async def close(self) -> None:
        """Close the connections."""
        await self._pipeline.close()
        await self._redis.aclose()

    def _ask(self, step: str, keys: Sequence[str], *arguments: str | bytes | float) -> Answer:
        return self._pipeline.ask(("EVALSHA", self._digests[step], len(keys), *keys, *arguments))

    async def _send(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Send commands together; a store that was restarted is taught the scripts anew."""
        async with asyncio.timeout(ANSWER_SECONDS):
            answers = await self._exchange(commands)
            unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                await self._exchange([("SCRIPT LOAD", text) for text in self._scripts.values()])
                again = await self._exchange([commands[number] for number in unknown])
                for number, answer in zip(unknown, again, strict=True):
                    answers[number] = answer
        return answers

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return await pipeline.execute(raise_on_error=False)

    @asynccontextmanager
    async def _answer(self) -> AsyncIterator[None]:
        """Bound what is asked of the store, and name it when it does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except TimeoutError as error:
            raise RecordsUnavailableError(f"the record store at {self._where} does not answer") from error
        except RedisError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: RedisError) -> RecordsUnavailableError:
        if isinstance(error, AuthenticationError | NoPermissionError):
            detail = f"the record store at {self._where} refuses the credentials: {error}"
            return RecordsUnavailableError(detail, retry_after=None)
        return RecordsUnavailableError(f"the record store at {self._where} does not answer: {error}")


def _script(step: str, names: str) -> bytes:
    steps = files("warren.records").joinpath("steps")
    texts = (steps.joinpath(f"{name}.lua").read_bytes() for name in ("prelude", step))
    return names.encode() + b"\n" + b"".join(texts)
