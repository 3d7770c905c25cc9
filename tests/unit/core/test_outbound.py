"""Requests to users' URLs: where they may go, after names and redirects, and how much of an answer is read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from tests.receiver import Received, Receiver, response
from warren.errors import UnreachableError, UrlRefusedError
from warren.outbound.addresses import Allowed, is_public
from warren.outbound.transport import PIECES_AT_ONCE, Outbound, Resolve, _redirected, _request
from warren.patience import seconds_of

LOOPBACK = Allowed.parse(["127.0.0.1"])

NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - it must not be connected to
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.9.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111"]


def told(*answers: Sequence[str]) -> Resolve:
    """Return a resolver that answers so, one after the other; the last stays."""
    left = list(answers)

    async def resolve(host: str, port: int, payer: str | None) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def status(outbound: Outbound, url: str, seconds: float = 5, content: bytes | None = b"{}") -> int:
    async with outbound, outbound.send("POST", url, content=content, seconds=seconds) as answer:
        await answer.read(65536)
        return answer.status


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_special_address_is_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not Allowed().address(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))


def test_what_is_allowed_is_hosts_and_networks() -> None:
    allowed = Allowed.parse(["10.1.0.0/16", "fd00::7", "Hooks.svc", "*.apps.svc"])
    assert [allowed.address(ip_address(text)) for text in ("10.1.9.9", "fd00::7", "10.2.0.1", "fd00::8")] == [
        True,
        True,
        False,
        False,
    ]
    hosts = ("hooks.svc", "HOOKS.svc.", "a.apps.svc", "apps.svc", "evilapps.svc", "hooks.svc.evil.example")
    assert [allowed.host(host) for host in hosts] == [True, True, True, False, False, False]


async def test_a_refusal_names_the_setting_that_would_allow_it() -> None:
    for allowed, setting in ((Allowed(), "WARREN_CALLBACK_ALLOW"), (Allowed.parse([], "MINE_ALLOW"), "MINE_ALLOW")):
        with pytest.raises(UrlRefusedError, match=setting):
            await status(Outbound(allowed), "http://127.0.0.1/")


@pytest.mark.parametrize("word", ["http://a", "10.0.0.1/8", "a/b", "", "*", "*.*.a", "10.0.0.300", "a:80"])
def test_a_malformed_allowance_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Allowed.parse([word])


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"])
async def test_a_name_of_a_special_address_is_refused(address: str) -> None:
    with pytest.raises(UrlRefusedError, match="not at a public address"):
        await status(Outbound(resolve=told([address])), "http://receiver.example/")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://localhost/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://user:secret@1.1.1.1/",
        "http://user@1.1.1.1/",
        "ftp://1.1.1.1/",
        "file:///etc/passwd",
        "gopher://1.1.1.1/",
        "unix:///var/run/docker.sock",
        "http:///path",
        "http://1.1.1.1:99999/",
        "not a url",
    ],
)
async def test_a_url_that_leads_inside_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(UrlRefusedError) as refusal:
        await status(Outbound(), url)
    assert "secret" not in str(refusal.value)


async def test_an_allowed_address_is_connected_to_and_the_host_keeps_its_name() -> None:
    async with Receiver().listening() as receiver:
        url = f"http://receiver.example:{receiver.port}/hook?a=1"
        assert await status(Outbound(LOOPBACK, resolve=told(["127.0.0.1"])), url) == 204
        by_name = Outbound(Allowed.parse(["receiver.example"]), resolve=told(["127.0.0.1"]))
        assert await status(by_name, url) == 204
    [request, _] = receiver.received
    assert (request.method, request.path, request.body) == ("POST", "/hook?a=1", b"{}")
    assert request.headers["host"] == f"receiver.example:{receiver.port}"
    assert request.headers["accept-encoding"] == "identity"


async def test_only_the_permitted_of_several_addresses_is_connected_to() -> None:
    async with Receiver().listening() as receiver:
        url = f"http://receiver.example:{receiver.port}/"
        allowed = Allowed.parse(["127.0.0.1", "127.0.0.9"])
        outbound = Outbound(allowed, resolve=told(["10.0.0.1", "127.0.0.9", "127.0.0.1"]))
        assert await status(outbound, url) == 204, "nobody listens at the second: the third is tried"


async def test_a_name_that_changes_its_mind_changes_nothing() -> None:
    asked = []

    async def rebinding(host: str, port: int, payer: str | None) -> Sequence[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) > 1 else ["127.0.0.1"]

    async with Receiver().listening() as receiver:
        url = f"http://receiver.example:{receiver.port}/"
        assert await status(Outbound(LOOPBACK, resolve=rebinding), url) == 204
        assert len(asked) == 1, "what was checked is what is connected to: nobody asks twice"
        with pytest.raises(UrlRefusedError):
            await status(Outbound(resolve=told(["127.0.0.1"], ["1.1.1.1"])), url)
    assert len(receiver.received) == 1


async def test_a_redirect_is_followed_with_its_body_to_where_it_may_lead() -> None:
    async with Receiver().listening() as target:
        for code in (301, 302, 307, 308):
            target.received.clear()
            async with Receiver([response(code, location=f"{target.url}?n=2")]).listening() as first:
                outbound = Outbound(LOOPBACK)
                headers = {"authorization": "secret", "webhook-id": "7"}
                async with outbound, outbound.send("POST", first.url, content=b"x", headers=headers) as answer:
                    assert answer.status == 204
            [request] = target.received
            assert (request.method, request.path, request.body) == ("POST", "/hook?n=2", b"x")
            assert request.headers["webhook-id"] == "7"
            assert "authorization" not in request.headers
            assert request.headers["host"] == f"127.0.0.1:{target.port}"


@pytest.mark.parametrize(
    "location",
    ["http://10.0.0.1/", "http://[::1]/", "http://inside.example/", "file:///etc/passwd", "http://u:p@127.0.0.1/"],
)
async def test_a_redirect_to_the_inside_is_refused(location: str) -> None:
    async with Receiver([response(307, location=location)]).listening() as receiver:
        with pytest.raises(UrlRefusedError):
            await status(Outbound(LOOPBACK, resolve=told(["169.254.169.254"])), receiver.url)


async def test_redirects_end_somewhere() -> None:
    async with Receiver([response(302, location="/again")]).listening() as receiver:
        with pytest.raises(UrlRefusedError, match="3 redirects"):
            await status(Outbound(LOOPBACK), receiver.url)
        assert len(receiver.received) == 4


def test_no_redirect_leads_from_https_to_http() -> None:
    request = _request("POST", "https://receiver.example/hook", {}, b"x")
    with pytest.raises(UrlRefusedError, match="from https to http"):
        _redirected(request, "http://receiver.example/hook")
    assert str(_redirected(request, "/other").url) == "https://receiver.example/other"


async def test_see_other_is_an_answer() -> None:
    async with Receiver([response(303, location="/")]).listening() as receiver:
        assert await status(Outbound(LOOPBACK), receiver.url) == 303


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver().listening() as receiver, Receiver().listening() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert await status(Outbound(LOOPBACK), receiver.url) == 204
        assert (len(receiver.received), proxy.received) == (1, [])


async def test_nothing_that_a_receiver_says_is_kept() -> None:
    outbound = Outbound(LOOPBACK)
    async with Receiver([response(204, set_cookie="a=b; Max-Age=1000000")]).listening() as receiver, outbound:
        async with outbound.send("POST", receiver.url, content=b"{}") as answer:
            assert answer.headers["set-cookie"]
        assert not outbound._http.cookies.jar  # noqa: SLF001 - no other way tells
    assert "cookie" not in receiver.received[0].headers


async def test_an_answer_is_read_no_further_than_wanted() -> None:
    sent = 0

    async def endless(_: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with Receiver(speak=endless).listening() as receiver:
        outbound = Outbound(LOOPBACK)
        async with outbound, outbound.send("GET", receiver.url) as answer:
            assert await answer.read(1000) == b"x" * 1000
        await asyncio.sleep(0.05)
        assert sent < 30_000_000


@pytest.mark.parametrize("when", ["in the head", "in the body", "never"])
@pytest.mark.usefixtures("hurry")
async def test_a_receiver_that_drips_is_cut_off(when: str) -> None:
    async def drip(_: Received, writer: asyncio.StreamWriter) -> None:
        if when == "in the body":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
        while when != "never":
            writer.write(b"H" if when == "in the head" else b"x")
            await writer.drain()
            await asyncio.sleep(0.02)
        await asyncio.sleep(5)

    async with Receiver(speak=drip).listening() as receiver:
        begin = time.monotonic()
        with pytest.raises(UnreachableError):
            await status(Outbound(LOOPBACK), receiver.url + "?token=hush", seconds=0.3)
        assert time.monotonic() - begin < 2


async def test_a_body_in_tiny_pieces_lets_others_have_their_turn() -> None:
    async def crumble(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000)
        await writer.drain()

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with (
        Receiver(speak=crumble).listening() as receiver,
        Outbound(LOOPBACK) as outbound,
        outbound.send("POST", receiver.url, content=b"{}") as answer,
    ):
        running = asyncio.create_task(others())
        assert len(await answer.read(10_000)) == 10_000
        running.cancel()
    assert turns > 0.9 * 10_000 / PIECES_AT_ONCE


async def test_what_cannot_be_reached_is_said_without_secrets() -> None:
    async with Receiver().listening() as receiver:
        url = receiver.url
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1") as unreachable:
        await status(Outbound(LOOPBACK), f"{url}?token=hush")
    assert "hush" not in str(unreachable.value)

    async def nobody(host: str, port: int, payer: str | None) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(UnreachableError, match="not found"):
        await status(Outbound(resolve=nobody), "http://receiver.example/?token=hush")


@pytest.mark.parametrize(
    ("status", "asked", "in_trouble", "after"),
    [
        (200, {}, False, None),
        (404, {}, False, None),
        (429, {"retry_after": "7"}, True, 7),
        (500, {}, True, None),
        (503, {"retry_after": "99999999"}, True, 3600),
    ],
)
async def test_an_answer_tells_whether_and_when_to_ask_again(
    status: int,
    asked: dict[str, str],
    in_trouble: bool,  # noqa: FBT001
    after: float | None,
) -> None:
    async with (
        Receiver([response(status, b"", **asked)]).listening() as receiver,
        Outbound(LOOPBACK) as outbound,
        outbound.send("GET", receiver.url) as answer,
    ):
        assert (answer.in_trouble, answer.retry_after(3600)) == (in_trouble, after)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("120", 120),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("Thu, 01 Jan 999999 00:01:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert seconds_of(header, 1767225600.0) == seconds
