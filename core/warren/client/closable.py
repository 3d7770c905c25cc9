"""A gateway that is closed for good: calls under way end then, and later ones are refused.

It belongs to the process that used it first: in one that was forked off, its connections would be read by two. And it
belongs to the event loop that used it first, unless its own gateway is used across loops.

Forbidden here: how Warren is reached.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from warren.errors import ClientClosedError

if TYPE_CHECKING:
    from warren.client.gateway import Gateway

T = TypeVar("T")

CLOSED: Final = "the client was closed: tasks that it submitted go on, and another client can ask for them by their ids"

FORKED: Final = "this client was in use before the fork, and stayed with the parent; make one in this process"

OTHER_LOOP: Final = (
    "this client belongs to the event loop that used it first, and this is another one: make one in each, by "
    "`async with AsyncClient(...)` within what asyncio.run() runs, or use Client(...).asynchronous(), good on any loop"
)


class Closable:
    """A gateway whose calls raise `ClientClosedError` once it is closed, those that wait for an answer too."""

    def __init__(self, gateway: Gateway, *, any_loop: bool = False) -> None:
        self._gateway = gateway
        self._any_loop = any_loop
        self._process: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._callers: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self) -> None:
        """Get ready."""
        await self._call(self._gateway.open)

    async def close(self) -> None:
        """Let go of all connections, once, unless they are a parent process', or ended with their loop.

        Raises:
            ClientClosedError: they are another loop's, which has not ended.

        """
        refusal = self._refusal()
        if refusal == OTHER_LOOP and self._loop and not self._loop.is_closed():
            raise ClientClosedError(refusal)
        if refusal:
            return
        self._closed = True
        for caller in self._callers:
            caller.cancel()
        await self._gateway.close()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the gateway's call."""
        return partial(self._call, getattr(self._gateway, name))

    def _refusal(self) -> str | None:
        """Return why nothing can be asked for here; None if it can."""
        if self._closed:
            return CLOSED
        if self._process is not None and self._process != os.getpid():
            return FORKED
        return OTHER_LOOP if self._loop is not None and self._loop is not asyncio.get_running_loop() else None

    async def _call(self, call: Callable[..., Coroutine[Any, Any, T]], *args: object, **named: object) -> T:
        if refusal := self._refusal():
            raise ClientClosedError(refusal)
        if self._process is None:
            self._process = os.getpid()
            self._loop = None if self._any_loop else asyncio.get_running_loop()
        caller = cast("asyncio.Task[Any]", asyncio.current_task())
        before = caller.cancelling()
        self._callers.add(caller)
        try:
            return await call(*args, **named)
        except asyncio.CancelledError:
            if self._closed and caller.uncancel() <= before:
                raise ClientClosedError(CLOSED) from None
            raise
        finally:
            self._callers.discard(caller)
