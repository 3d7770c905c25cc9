"""The HTTP server: uvicorn, which is told of streams that would otherwise hold up its end.

Forbidden here: what is served.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """Calls `closing` when it begins to shut down, before it waits for the requests that are under way."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down."""
        self._closing()
        await super().shutdown(sockets)
