"""The page, over the transport that leads nowhere inside, and what its server's refusals mean.

Forbidden here: what is on the page.
"""

from __future__ import annotations

import codecs
import re
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

CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)
CODECS: Final = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "koi8-r", "koi8-u", "macroman", "cp866", "cp874"),
        *(f"cp{number}" for number in range(1250, 1259)),
        *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *("gbk", "gb2312", "gb18030", "big5", "big5hkscs", "euc-jp", "shift-jis", "cp932", "iso2022-jp", "euc-kr"),
    )
)
"""What pages are written in (WHATWG's encodings), by Python's names. Python has others, which take a name as an order:
`idna`, `base64`; or take an hour: `punycode`."""


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
    kind = _header(answer).partition(";")[0].strip().lower()
    if kind not in {"text/html", "application/xhtml+xml"}:
        raise Fail("page-changed", f"{answer.url} is {kind}; a page, text/html, was expected")


def _text(answer: Answer, page: bytes) -> str:
    named = CHARSET.search(_header(answer))
    return page.decode(_codec(named[1]) if named else "utf-8", errors="replace")


def _codec(name: str) -> str:
    """Return Python's name of the encoding; UTF-8, if it is none that pages are written in."""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return codec if codec in CODECS else "utf-8"


def _header(answer: Answer) -> str:
    return answer.headers.get("content-type", "text/html")
