"""The task on pages of our own making, from a web server on loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lottery_results import web
from lottery_results.draw import Draw
from lottery_results.page import read_draws
from lottery_results.settings import load
from lottery_results.tasks import lottery_results
from warren import Fail, Retry
from warren.errors import SettingsError, UnreachableError, UrlRefusedError

PAGES = Path(__file__).parent / "pages"
RESULTS = (PAGES / "results.html").read_text()
LATEST = Draw(date=dt.date(2026, 11, 18), numbers=(3, 8, 17, 21, 44, 59), bonus=30)


@dataclass
class Site:
    """A web server that shows one page at every path."""

    url: str = ""
    page: bytes = RESULTS.encode()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html; charset=utf-8"})
    asked: int = 0


class Handler(BaseHTTPRequestHandler):
    """Answers GET with the page."""

    site: Site

    def handle(self) -> None:
        with suppress(ConnectionError):  # it has heard enough
            super().handle()

    def do_GET(self) -> None:
        self.site.asked += 1
        self.send_response(self.site.status)
        for name, value in self.site.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.site.page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give the web server whose page the setting names."""
    site = Site()
    handler = type("OfThisSite", (Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        site.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("LOTTERY_RESULTS_URL", f"{site.url}/results")
        yield site
        server.shutdown()
        serving.join()


def results(since: dt.date | None = None, most: int = 10) -> list[Draw]:
    return asyncio.run(lottery_results(since=since, most=most))


def fails() -> tuple[str, str]:
    """Return the code and the message with which the task fails for good."""
    with pytest.raises((Fail, UrlRefusedError)) as failure:
        results()
    error = failure.value
    assert isinstance(error, Fail | UrlRefusedError)
    return error.code, error.message if isinstance(error, Fail) else error.detail


@pytest.mark.usefixtures("site")
def test_draws_come_the_latest_first() -> None:
    draws = results()
    assert draws[0] == LATEST
    assert [draw.date.day for draw in draws] == [18, 14, 11]
    assert draws[1].bonus == 7


@pytest.mark.usefixtures("site")
def test_no_more_draws_than_asked_for() -> None:
    assert [draw.date.day for draw in results(since=dt.date(2026, 11, 14))] == [18, 14]
    assert results(most=1) == [LATEST]
    assert results(since=dt.date(2027, 1, 1)) == []


def test_a_page_in_another_encoding(site: Site) -> None:
    site.page, site.headers = RESULTS.encode("utf-16"), {"Content-Type": "text/html; charset=utf-16"}
    assert results()[0] == LATEST


@pytest.mark.parametrize(
    "named",
    [
        "charset=klingon",
        "charset=base64",
        "charset=undefined",
        "charset=idna",
        "charset=punycode",
        "charset=unicode_escape",
        "charset*=us-ascii''a%00b",
        "charset*" + "9" * 5000 + "=utf-8",
    ],
    ids=lambda named: named[:20],
)
def test_a_page_in_what_is_no_encoding_is_read_as_utf_8(site: Site, named: str) -> None:
    site.headers = {"Content-Type": f"text/html; {named}"}
    assert results()[0] == LATEST


def test_no_encoding_takes_longer_than_a_page_may(site: Site) -> None:
    hyphens = b"a" * 200_000 + b"-" + b"b" * 200_000
    site.page, site.headers = hyphens, {"Content-Type": "text/html; charset=punycode"}
    begun = time.monotonic()
    assert fails()[0] == "page-changed"
    assert time.monotonic() - begun < 2


def test_a_draw_may_be_dated_to_the_minute() -> None:
    page = RESULTS.replace('datetime="2026-11-18"', 'datetime="2026-11-18T20:00+00:00"')
    assert read_draws(page)[0] == LATEST


def test_a_page_that_was_redesigned(site: Site) -> None:
    site.page = (PAGES / "redesigned.html").read_bytes()
    assert fails() == (
        "page-changed",
        "the page: 'ol.draws > li.draw' was expected to find one draw or more, and found none",
    )
    assert site.asked == 1


@pytest.mark.parametrize(
    ("old", "new", "selector", "said"),
    [
        ("<li>8</li>", "", "ul.numbers > li", "6 numbers, and found 5 elements"),
        ("<li>8</li>", "<li>8</li><li>9</li>", "ul.numbers > li", "6 numbers, and found 7 elements"),
        ("<li>8</li>", "<li>eight</li>", "ul.numbers > li", "a number, and found 'eight'"),
        ("<li>8</li>", "<li>80</li>", "ul.numbers > li", "from 1 to 59, and found .*80"),
        ("<li>8</li>", "<li>17</li>", "ol.draws > li.draw", "different numbers .* drawn twice"),
        ('class="bonus">30', 'class="bonus">3', "ol.draws > li.draw", "different numbers .* drawn twice"),
        ('class="bonus">30', 'class="extra">30', ".bonus", "one bonus number, and found 0 elements"),
        ('class="bonus">30', 'class="bonus">٣', ".bonus", "a number, and found '٣'"),
        ('datetime="2026-11-18"', "", "time[datetime]", "one date, and found 0 elements"),
        ('datetime="2026-11-18"', 'datetime="18/11/26"', "time[datetime]", "a date .*18/11/26"),
        ('datetime="2026-11-18"', 'datetime="0"', "time[datetime]", "a date .*found '0'"),
        ('datetime="2026-11-18"', "datetime", "time[datetime]", "a date .*found ''"),
        ("<li>8</li>", "<li>" + "8" * 5000 + "</li>", "ul.numbers > li", "a number, and found '888"),
    ],
)
def test_a_page_that_was_changed_a_little(old: str, new: str, selector: str, said: str) -> None:
    assert old in RESULTS
    with pytest.raises(Fail, match=said) as failure:
        read_draws(RESULTS.replace(old, new, 1))
    assert failure.value.code == "page-changed"
    assert failure.value.message.startswith(f"draw 1 of 3: {selector!r} was expected to find")


@pytest.mark.parametrize(
    ("status", "headers", "page", "code", "said"),
    [
        (404, {}, b"", "page-refused", "answers 404"),
        (403, {}, b"", "page-refused", "LOTTERY_RESULTS_URL"),
        (200, {"Content-Type": "application/json"}, b"{}", "page-changed", "is application/json"),
        (302, {"Location": "http://169.254.169.254/latest"}, b"", "url-refused", "not at a public address"),
        (200, {}, b"<p>" * web.MOST_BYTES, "page-too-large", "larger than"),
    ],
)
def test_what_no_other_attempt_can_mend(
    site: Site, status: int, headers: dict[str, str], page: bytes, code: str, said: str
) -> None:
    site.status, site.headers, site.page = status, headers, page
    failed = fails()
    assert failed[0] == code
    assert said in failed[1]


@pytest.mark.parametrize(("status", "told", "after"), [(429, "30", 30), (503, "", None), (500, "99999999", 3600)])
def test_a_server_in_trouble_is_asked_again(site: Site, status: int, told: str, after: float | None) -> None:
    site.status, site.headers = status, {"Retry-After": told}
    with pytest.raises(Retry, match=f"answers {status}") as again:
        results()
    assert again.value.after == after


def test_a_server_that_is_not_there_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTTERY_RESULTS_URL", "http://127.0.0.1:1/results")
    assert lottery_results.options.retry_on == (UnreachableError,)
    with pytest.raises(UnreachableError):
        results()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "LOTTERY_RESULTS_URL: required"),
        ({"LOTTERY_RESULTS_URL": "results.example.com"}, "LOTTERY_RESULTS_URL: "),
        ({"LOTTERY_RESULTS_URL": "file:///etc/passwd"}, "LOTTERY_RESULTS_URL: "),
        ({"LOTTERY_RESULTS_URL": "https://lotería.example/"}, "LOTTERY_RESULTS_URL: .*lotería"),
        ({"LOTTERY_RESULTS_URL": "http://[::1/"}, "LOTTERY_RESULTS_URL: "),
        ({"LOTTERY_RESULTS_URL": "http://a/", "LOTTERY_RESULTS_PAGE": "b"}, "LOTTERY_RESULTS_PAGE: "),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(environ)
