"""The limit on request bodies, kept while they are read.

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


class BodyLimit:
    """ASGI middleware: a body over the limit is refused when it is asked for, or as soon as that much has come.

    The refusal is raised to whoever reads the body, so that it is answered like any other problem: FastAPI's own limit
    is answered in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, received = Headers(scope=scope), 0

        async def counting() -> Message:
            nonlocal received
            if int(headers.get("content-length", "0")) > self._limit:
                await self._refuse(receive, drain="expect" not in headers)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                await self._refuse(receive, drain=message.get("more_body", False))
            return message

        await self._app(scope, counting, send)

    async def _refuse(self, receive: Receive, *, drain: bool) -> NoReturn:
        """Raise the refusal, after the rest of the body where the client sends it without asking (`Expect`)."""
        if drain:
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(receive), DRAINED_SECONDS)
        detail = f"the request's body is larger than {self._limit} bytes (setting WARREN_MAX_BODY_BYTES)"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


async def _drain(receive: Receive) -> None:
    drained, more = 0, True
    while more and drained < DRAINED_BYTES:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message.get("more_body", False)
