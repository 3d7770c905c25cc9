"""The limits on request bodies, kept while they are read: of each, and of all that are under way together.

Forbidden here: what the bodies mean.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NoReturn

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


DRAINED_BYTES: Final = 64 * 1024 * 1024
DRAINED_SECONDS: Final = 10.0
"""How much of a refused body is still taken, and for how long. A connection that is closed on a client which still
sends is a broken connection for most of them: the answer, which says what is wrong, would be lost."""

JSON_WEIGHT: Final = 4
"""How much memory a byte of JSON takes: it is parsed, checked, and written anew."""


class BodyLimit:
    """ASGI middleware: a body over a limit is refused when it is asked for, or as soon as that much has come.

    The refusal is raised to whoever reads the body, so that it is answered like any other problem: FastAPI's own limit
    is answered in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, together: int) -> None:
        """Take the limit of one body, and that of all bodies whose requests are not answered yet."""
        self._app = app
        self._limit = limit
        self._together = together
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, receive, Headers(scope=scope))
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held -= body.held

    def exceeded(self, size: int) -> HTTPException | None:
        """Return the refusal of a body of that size."""
        if size <= self._limit:
            return None
        detail = f"the request's body is larger than {self._limit} bytes (setting WARREN_MAX_BODY_BYTES)"
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def hold(self, held: int, size: int) -> HTTPException | None:
        """Count a body, which was counted as `held` bytes before, as that large; return the refusal if it is too much.

        One body alone is always taken.
        """
        others = self._held - held
        if others and others + size > self._together:
            detail = (
                f"the requests under way take {others} bytes of the {self._together} that their bodies may come to "
                "(setting WARREN_MAX_BODIES_BYTES); try again"
            )
            return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "1", "Connection": "close"})
        self._held = others + size
        return None


class _Body:
    """One request's body on its way."""

    def __init__(self, limits: BodyLimit, receive: Receive, headers: Headers) -> None:
        self._limits = limits
        self._receive = receive
        self._announced = int(headers.get("content-length", "0"))
        self._weight = JSON_WEIGHT if "json" in headers.get("content-type", "") else 1
        self._asked = "expect" in headers
        """Whether the client waits for a word (`Expect`) before it sends."""
        self._received = 0
        self.held = 0

    async def receive(self) -> Message:
        """Receive the next part, within the limits."""
        if not self._received:
            await self._admit(self._announced, more=not self._asked)
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received * self._weight > self.held:
            await self._admit(self._received, more=message.get("more_body", False))
        return message

    async def _admit(self, size: int, *, more: bool) -> None:
        refusal = self._limits.exceeded(size) or self._limits.hold(self.held, size * self._weight)
        if refusal is not None:
            await self._refuse(refusal, drain=more)
        self.held = size * self._weight

    async def _refuse(self, refusal: HTTPException, *, drain: bool) -> NoReturn:
        """Raise the refusal, after the rest of the body where the client sends it unasked."""
        if drain:
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(self._receive), DRAINED_SECONDS)
        raise refusal


async def _drain(receive: Receive) -> None:
    drained, more = 0, True
    while more and drained < DRAINED_BYTES:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message.get("more_body", False)
