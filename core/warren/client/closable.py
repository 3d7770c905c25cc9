"""A gateway that is closed for good: calls under way end then, and later ones are refused.

Forbidden here: how Warren is reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from warren.errors import ClientClosedError

if TYPE_CHECKING:
    from warren.client.gateway import Gateway

T = TypeVar("T")

CLOSED: Final = "the client was closed: tasks that it submitted go on, and another client can ask for them by their ids"


class Closable:
    """A gateway whose calls raise `ClientClosedError` once it is closed, those that wait for an answer too."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._callers: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def open(self) -> None:
        """Get ready."""
        await self._call(self._gateway.open)

    async def close(self) -> None:
        """Let go of all connections, once."""
        if self._closed:
            return
        self._closed = True
        for caller in self._callers:
            caller.cancel()
        await self._gateway.close()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the gateway's call."""
        call: Callable[..., Coroutine[Any, Any, Any]] = getattr(self._gateway, name)
        return lambda *args, **named: self._call(call, *args, **named)

    async def _call(self, call: Callable[..., Coroutine[Any, Any, T]], *args: object, **named: object) -> T:
        if self._closed:
            raise ClientClosedError(CLOSED)
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
