"""Requests to users' URLs over HTTP: checked, limited in time, and read no further than wanted.

Forbidden elsewhere: any other way to a user's URL.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Final, Self

import httpx2

from warren.errors import UnreachableError, UrlRefusedError
from warren.outbound.addresses import Allowed, permitted
from warren.outbound.lookups import Lookups
from warren.patience import seconds_of

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
MOST_REDIRECTS: Final = 3
MOST_PORTS: Final = 65536
PIECES_AT_ONCE: Final = 100
"""How many pieces of a body are read before others get their turn: a server may send every byte as a piece."""

PAYER: Final = "warren.payer"
"""Under which a request's extensions hold on whose account its host is looked up."""

FOLLOWED: Final = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)
"""What is followed with the same method and body. 303 says that the request has been dealt with."""

PRIVATE_HEADERS: Final = frozenset({"authorization", "cookie"})
"""What another host than the first one is not told."""

Resolve = Callable[[str, int, str | None], Awaitable[Sequence[str]]]
"""Returns the addresses of a host for connections to a port, on a payer's account; raises `OSError`."""


class Answer:
    """What a URL answered; its body is read piece by piece, as it was sent."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        """Names are of any case."""

    @property
    def url(self) -> str:
        """What answered, after redirects."""
        return str(self._response.url)

    @property
    def in_trouble(self) -> bool:
        """Whether the same request may be answered otherwise later: there were too many, or the server has a fault."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def retry_after(self, most: float = math.inf) -> float | None:
        """Return for how many seconds, `most` at most, the server asks to be left alone; None where it does not."""
        asked = seconds_of(self.headers.get("retry-after", ""), time.time())
        return None if asked is None else min(asked, most)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece."""
        number = 0
        async for piece in self._response.aiter_raw():
            yield piece
            number += 1
            if number % PIECES_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def read(self, most: int) -> bytes:
        """Return the body's first bytes, as many as that at most; the rest is not read."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) >= most:
                break
        return bytes(body[:most])


class Outbound:
    """The way out. Use it as an asynchronous context manager."""

    def __init__(self, allowed: Allowed | None = None, *, resolve: Resolve | None = None) -> None:
        transport = _Checked(allowed or Allowed(), resolve or Lookups().addresses)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # they would pile up, and are sent to nobody
        self._http = httpx2.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, cookies=no_cookies
        )

    async def __aenter__(self) -> Self:
        """Return it: connections are made when they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def send(  # noqa: PLR0913 - what a request is made of
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        seconds: float = TOTAL_SECONDS,
        payer: str | None = None,
    ) -> AsyncIterator[Answer]:
        """Send a request, follow redirects, and give the answer; all of it, the body's reading too, within the time.

        `payer` is on whose account hosts are looked up: see `Lookups`.

        Raises:
            UrlRefusedError: the URL, or one that it leads to, is none that may be asked.
            UnreachableError: there was no answer, or not all of it, in time.

        """
        try:
            async with asyncio.timeout(seconds), AsyncExitStack() as stack:
                yield Answer(await self._follow(stack, _request(method, url, headers or {}, content, payer)))
        except TimeoutError as error:
            raise UnreachableError(f"{_host(url)} did not answer in full within {seconds:g} s") from error
        except httpx2.InvalidURL as error:
            raise UrlRefusedError(f"this is not a URL: {error}") from error
        except httpx2.TransportError as error:
            said = str(error) or type(error).__name__
            raise UnreachableError(f"no answer from {_host(url)}: {said}") from error

    async def _follow(self, stack: AsyncExitStack, request: httpx2.Request) -> httpx2.Response:
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._http.send(request, stream=True)
            if response.status_code not in FOLLOWED or "location" not in response.headers:
                stack.push_async_callback(response.aclose)
                return response
            await response.aclose()
            request = _redirected(request, response.headers["location"])
        raise UrlRefusedError(f"{request.url.host} was reached by more than {MOST_REDIRECTS} redirects")


class _Checked(httpx2.AsyncBaseTransport):
    """Sends each request to an address of its host's that may be connected to, by that address, over a new connection.

    For TLS and for the receiver the host keeps its name.
    """

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._inner = httpx2.AsyncHTTPTransport(verify=_authorities(), trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        _check(request.url)
        host, failure = request.url.host, None
        addresses = await self._addresses(request, request.url.port or _usual_port(request.url))
        for address in permitted(host, addresses, self._allowed):
            try:
                return await self._inner.handle_async_request(_to(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failure = error
        raise failure or httpx2.ConnectError(f"the host {host!r} has no address")

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, request: httpx2.Request, port: int) -> Sequence[str]:
        host = request.url.host
        if _is_address(host):
            return [host]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._resolve(host, port, request.extensions[PAYER])
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"the name {host!r} was not resolved within {CONNECT_SECONDS:g} s") from error
        except (OSError, UnicodeError) as error:
            raise httpx2.ConnectError(f"the host {host!r} was not found: {error}") from error


@cache
def _authorities() -> ssl.SSLContext:
    """Return what certificates are checked with; it takes a while to read."""
    return httpx2.create_ssl_context(trust_env=False)


def _request(
    method: str, url: str, headers: Mapping[str, str], content: bytes | None, payer: str | None = None
) -> httpx2.Request:
    # What is compressed can be far larger than it is: nothing is asked for that would have to be unpacked.
    own = {"accept": "*/*", "accept-encoding": "identity", "connection": "close", "user-agent": "warren"}
    times = httpx2.Timeout(None, connect=CONNECT_SECONDS).as_dict()
    return httpx2.Request(
        method, url, headers={**own, **headers}, content=content, extensions={"timeout": times, PAYER: payer}
    )


def _redirected(request: httpx2.Request, location: str) -> httpx2.Request:
    url = request.url.join(location)
    if request.url.scheme == "https" and url.scheme != "https":
        raise UrlRefusedError(f"{request.url.host} redirects from https to {url.scheme}")
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in {"host", "content-length"} and (same or name not in PRIVATE_HEADERS)
    }
    content = request.content or None
    return httpx2.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)


def _check(url: httpx2.URL) -> None:
    if url.scheme not in {"http", "https"} or not url.host:
        raise UrlRefusedError(f"a URL has the form http://host/path or https://host/path, not {url.scheme}:...")
    if url.port is not None and not 0 < url.port < MOST_PORTS:
        raise UrlRefusedError(f"the URL of {url.host} names the port {url.port}, which does not exist")
    if url.userinfo:
        raise UrlRefusedError(f"the URL of {url.host} holds a user's name or password, which is not sent")


def _to(request: httpx2.Request, address: str) -> httpx2.Request:
    """Return the request as it goes to an address of its host's; its header `Host` is set already."""
    named = {} if _is_address(request.url.host) else {"sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, **named},
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _usual_port(url: httpx2.URL) -> int:
    return 443 if url.scheme == "https" else 80


def _host(url: str) -> str:
    """Return the host alone: a path or a query may hold what is a secret of the receiver's."""
    return httpx2.URL(url).host
