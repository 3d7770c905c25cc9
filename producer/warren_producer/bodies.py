"""The limits on request bodies, kept while they are read: of each, and of all that are under way together.

Forbidden here: what the bodies mean.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from warren.shares import Shares
from warren.tasks import JSON

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


DRAINED_BYTES: Final = 64 * 1024 * 1024
DRAINED_SECONDS: Final = 10.0
"""How much of a refused body is still taken, and for how long. A connection that is closed on a client which still
sends is a broken connection for most of them: the answer, which says what is wrong, would be lost."""

STRANGERS_BYTES: Final = 1024 * 1024
STRANGERS_SECONDS: Final = 2.0
"""The same of the body of a request that is not let in."""

PART_SECONDS: Final = 30.0
"""How long the next part of a body may take: its place is kept from others meanwhile."""
SLOWEST_BYTES: Final = 8 * 1024
"""How much of a body has to come each second, once `PART_SECONDS` are over: who sends a byte now and then would keep
its place for hours."""
SMALL_BYTES: Final = 4096
"""A body of so much takes no place until it comes, so that it needs no timer, which every submit would pay for."""

JSON_WEIGHT: Final = 4
"""How much memory a byte of JSON takes: it is parsed, checked, and written anew."""

SPARED: Final = 8
"""One in so many bytes of the place for all bodies is for those that take up `FEW_BYTES` at most: a few large ones that
come slowly must not keep out the many small ones."""
FEW_BYTES: Final = 64 * 1024

_WITHOUT_BODY: Final = frozenset({"GET", "HEAD"})
"""Nobody reads what they bring; who follows a stream is listened to for its end for as long as that lasts."""

OWN_LIMIT: Final = "warren.max-body-bytes"
"""Under which a request's scope holds its caller's own limit, if there is one."""

SENDER: Final = "warren.sender"
"""Under which a request's scope holds its caller's name, if there is one."""

_AGAIN: Final = {"Retry-After": "1", "Connection": "close"}


class BodyLimit:
    """ASGI middleware: a body over a limit is refused when it is asked for, or as soon as that much has come.

    The refusal is raised to whoever reads the body, so that it is answered like any other problem: FastAPI's own limit
    is answered in plain text. Of the place that all bodies have together no caller takes more than is left to others.
    """

    def __init__(self, app: ASGIApp, limit: int, together: int, part_seconds: float = PART_SECONDS) -> None:
        """Take the limit of one body, and that of all bodies whose requests are not answered yet."""
        self.part_seconds = part_seconds
        self._app = app
        self._limit = limit
        self._places = Shares(together)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, counting its body."""
        if scope["type"] != "http" or scope["method"] in _WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        body = _Body(self, receive, scope)
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._places.give(body.sender, body.held)

    def exceeded(self, size: int, own: int | None) -> HTTPException | None:
        """Return the refusal of a body of that size, of a caller whose own limit that is."""
        limit = self._limit if own is None else min(own, self._limit)
        if size <= limit:
            return None
        whose = "setting WARREN_MAX_BODY_BYTES" if limit == self._limit else "max_body_bytes of the API key"
        detail = f"the request's body is larger than {limit} bytes ({whose})"
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)

    def hold(self, sender: str | None, held: int, size: int) -> HTTPException | None:
        """Count a sender's body, `held` bytes before, as that large; return the refusal if it is too much.

        One body alone is always taken.
        """
        self._places.give(sender, held)
        refusal = self._refusal(sender, size)
        self._places.take(sender, held if refusal else size)
        return refusal

    def _refusal(self, sender: str | None, size: int) -> HTTPException | None:
        places = self._places
        spared = places.whole // SPARED if size > FEW_BYTES else 0
        if places.taken and size > places.left - spared:
            detail = (
                f"the requests under way take {places.taken} bytes of the {places.whole} that their bodies may come to "
                "(setting WARREN_MAX_BODIES_BYTES); try again"
            )
            return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, detail, _AGAIN)
        if places.fair(sender, size):
            return None
        detail = (
            f"the requests under way of the API key of {sender} take {places.held(sender)} bytes, its share of the "
            f"{places.whole} that all bodies may come to (setting WARREN_MAX_BODIES_BYTES); try again"
        )
        return HTTPException(HTTPStatus.TOO_MANY_REQUESTS, detail, _AGAIN)


class _Body:
    """One request's body on its way."""

    def __init__(self, limits: BodyLimit, receive: Receive, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._limits = limits
        self._own = scope.get(OWN_LIMIT)
        self.sender: str | None = scope.get(SENDER)
        self._receive = receive
        self._announced = int(headers.get("content-length", "0"))
        self._unreadable = _unreadable(headers)
        self._weight = JSON_WEIGHT if "json" in headers.get("content-type", JSON).lower() else 1
        self._asked = "expect" in headers
        """Whether the client waits for a word (`Expect`) before it sends."""
        self._small = 0 < self._announced <= SMALL_BYTES
        self._received = 0
        self._complete = False
        self._began = 0.0
        self.held = 0

    async def receive(self) -> Message:
        """Receive the next part, within the limits; after the last one, whatever else there is to be told."""
        if self._complete:
            return await self._receive()
        if not self._received:
            refusal = self._unreadable or self._limits.exceeded(self._announced, self._own)
            await self._check(refusal, drain=not self._asked)
        message = await (self._receive() if self._small and not self._received else self._part())
        self._received += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._received * self._weight > self.held:
            await self._admit(self._received, more=message.get("more_body", False))
        return message

    async def _part(self) -> Message:
        """Receive the next part, for which there is a time, of a body for which there is a place."""
        now = time.monotonic()
        if not self._began:
            self._began = now
            await self._admit(self._announced, more=not self._asked)
        patience = self._limits.part_seconds
        left = self._began + patience + self._received / SLOWEST_BYTES - now
        try:
            async with asyncio.timeout(min(patience, left)):
                return await self._receive()
        except TimeoutError as error:
            detail = (
                f"the request's body comes too slowly: {self._received} bytes in {time.monotonic() - self._began:.0f} s"
                f"; after {patience:.0f} s a part has to come within that time, and {SLOWEST_BYTES} bytes each second"
            )
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, detail, {"Connection": "close"}) from error

    async def _admit(self, size: int, *, more: bool) -> None:
        weight = size * self._weight
        refusal = self._limits.exceeded(size, self._own) or self._limits.hold(self.sender, self.held, weight)
        await self._check(refusal, drain=more)
        self.held = weight

    async def _check(self, refusal: HTTPException | None, *, drain: bool) -> None:
        """Raise the refusal, if there is one, after the rest of the body where the client sends it unasked."""
        if refusal is None:
            return
        if drain:
            await _drain(self._receive, DRAINED_BYTES, DRAINED_SECONDS)
        raise refusal


def _unreadable(headers: Headers) -> HTTPException | None:
    """Return the refusal of a body that comes compressed: a limit would mean little then."""
    coding = headers.get("content-encoding", "identity")
    if coding.strip().lower() in {"", "identity"}:
        return None
    detail = f"the body's Content-Encoding is {coding[:50]!r}; bodies are read as they are: send it without"
    return HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Encoding": "identity"})


async def let_pass(receive: Receive, headers: Headers) -> bool:
    """Take the body of a request that is refused, as far as that is worth it; return whether that was all of it."""
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return True
    return "expect" not in headers and await _drain(receive, STRANGERS_BYTES, STRANGERS_SECONDS)


async def _drain(receive: Receive, most: int, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await _take(receive, most)
    return False


async def _take(receive: Receive, most: int) -> bool:
    drained, more = 0, True
    while more and drained < most:
        message = await receive()
        drained += len(message.get("body", b""))
        more = message.get("more_body", False)
    return not more
