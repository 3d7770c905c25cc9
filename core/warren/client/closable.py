"""A gateway that is closed for good: calls under way end then, and later ones are refused.

It belongs to the process that used it first: in one that was forked off, its connections would be read by two.

Forbidden here: how Warren is reached.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from warren.errors import ClientClosedError

if TYPE_CHECKING:
    from warren.client.gateway import Gateway

T = TypeVar("T")

CLOSED: Final = "the client was closed: tasks that it submitted go on, and another client can ask for them by their ids"

FORKED: Final = "this client was in use before the fork, and stayed with the parent; make one in this process"


class Closable:
    """A gateway whose calls raise `ClientClosedError` once it is closed, those that wait for an answer too."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._process: int | None = None
        self._callers: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self) -> None:
        """Get ready."""
        await self._call(self._gateway.open)

    async def close(self) -> None:
        """Let go of all connections, once; in a forked process nothing is done: they are the parent's."""
        if self._closed or self._elsewhere:
            return
        self._closed = True
        for caller in self._callers:
            caller.cancel()
        await self._gateway.close()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the gateway's call."""
        call: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._gateway, name)
        return lambda *args, **named: self._call(call, *args, **named)

    @property
    def _elsewhere(self) -> bool:
        return self._process not in {None, os.getpid()}

    async def _call(self, call: Callable[..., Coroutine[Any, Any, T]], *args: object, **named: object) -> T:
        if self._closed or self._elsewhere:
            raise ClientClosedError(CLOSED if self._closed else FORKED)
        self._process = os.getpid()
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
