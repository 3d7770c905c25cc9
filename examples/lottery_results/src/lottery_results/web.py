"""The page, over the transport that leads nowhere inside, and what its server's refusals mean.

Forbidden here: what is on the page.
"""

from __future__ import annotations

from email.message import Message
from http import HTTPStatus
from typing import Final

from lottery_results.settings import Settings
from warren import Fail, Retry
from warren.outbound.transport import Answer, Outbound

SECONDS: Final = 20.0
"""How long the request may take, with the reading of the page."""
MOST_BYTES: Final = 2 * 1024 * 1024
LONGEST_PAUSE: Final = 3600
"""How long a server's wish for patience is heard, in seconds."""


async def fetch(settings: Settings) -> str:
    """Return the page's text.

    Raises:
        Fail: no attempt can have it.
        Retry: the server is in trouble; another attempt may have it.
        UnreachableError: there was no answer.
        UrlRefusedError: the page was moved to where nothing may be fetched.

    """
    wanted = {"accept": "text/html"}
    async with (
        Outbound(settings.allowed) as outbound,
        outbound.send("GET", settings.url, headers=wanted, seconds=SECONDS) as answer,
    ):
        _check(answer)
        page = await answer.read(MOST_BYTES + 1)
    if len(page) > MOST_BYTES:
        raise Fail("page-too-large", f"{settings.url} is larger than {MOST_BYTES} bytes: is it the right page?")
    return _text(answer, page)


def _check(answer: Answer) -> None:
    said = f"{answer.url} answers {answer.status}"
    if answer.in_trouble:
        raise Retry(said, after=answer.retry_after(LONGEST_PAUSE))
    if answer.status != HTTPStatus.OK:
        raise Fail("page-refused", f"{said}: is LOTTERY_RESULTS_URL still the page's address?")
    kind = _header(answer).get_content_type()
    if kind not in {"text/html", "application/xhtml+xml"}:
        raise Fail("page-changed", f"{answer.url} is {kind}; a page, text/html, was expected")


def _text(answer: Answer, page: bytes) -> str:
    try:
        return page.decode(_header(answer).get_content_charset("utf-8"), errors="replace")
    except (LookupError, ValueError):  # none that is known, or none that pages are written in, like `idna`
        return page.decode(errors="replace")


def _header(answer: Answer) -> Message:
    header = Message()
    header["content-type"] = answer.headers.get("content-type", "text/html")
    return header
