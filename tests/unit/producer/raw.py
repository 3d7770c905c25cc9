"""Requests straight to the application: what it sends is seen as it is sent, and the client can leave."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

PATIENCE_SECONDS = 2.0


class Raw:
    """One request."""

    def __init__(self, body: bytes = b"", *, whole: bool = True) -> None:
        self.sent = b""
        self.status = 0
        self.gone = asyncio.Event()
        self._body: bytes | None = body
        self._whole = whole

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": not self._whole}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.sent += message.get("body", b"")

    async def until(self, words: bytes) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while words not in self.sent:  # noqa: ASYNC110 - the application tells nobody
                await asyncio.sleep(0.01)


@asynccontextmanager
async def asking(
    api: httpx2.AsyncClient,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    asgi: str = "2.3",
    *,
    whole: bool = True,
) -> AsyncIterator[Raw]:
    """Have a request under way inside of the block; then its client leaves, and the application is done with it."""
    raw, app = Raw(body, whole=whole), api._transport.app  # type: ignore[attr-defined]  # noqa: SLF001 - httpx hides it
    named = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": named}
    scope["asgi"] = {"spec_version": asgi}
    request = asyncio.create_task(app(scope, raw.receive, raw.send))
    yield raw
    raw.gone.set()
    await asyncio.wait_for(request, PATIENCE_SECONDS)
