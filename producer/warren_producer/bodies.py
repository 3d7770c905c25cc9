"""The limit on request bodies, kept while they are read.

Forbidden here: what the bodies mean.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
        announced, received = int(Headers(scope=scope).get("content-length", "0")), 0

        async def counting() -> Message:
            nonlocal received
            self._check(announced)
            message = await receive()
            received += len(message.get("body", b""))
            self._check(received)
            return message

        await self._app(scope, counting, send)

    def _check(self, size: int) -> None:
        if size > self._limit:
            detail = f"the request's body is larger than {self._limit} bytes (setting WARREN_MAX_BODY_BYTES)"
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
