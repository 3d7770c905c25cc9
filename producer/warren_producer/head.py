"""HEAD: answered as GET, without the content (RFC 9110, 9.3.2). Load balancers, monitors and caches ask so.

Forbidden here: knowing any route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """ASGI middleware: what is asked by HEAD comes to the application as GET, and ends with the headers.

    So a HEAD of a stream of events, or of a large result, ends at once: the server then tells the application, as it
    does of a client that has gone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on; no coroutine of its own, which every request would pay for."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return self._app(scope, receive, send)
        return self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        # From 2.4 on, streams look for a client that has gone in `send` alone, which does not tell here.
        asked = {**scope, "method": "GET", "asgi": {**scope["asgi"], "spec_version": "2.3"}}
        try:
            await self._app(asked, receive, send_headers)
        finally:
            scope["route"] = asked.get("route")  # requests are measured by it
