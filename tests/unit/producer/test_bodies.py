"""The limits on bodies that come slowly, or not at all."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from warren_producer.bodies import FEW_BYTES, SENDER, SMALL_BYTES, BodyLimit

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

pytestmark = pytest.mark.usefixtures("hurry")

LIMIT = 100_000
WHOLE: Message = {"type": "http.request", "body": b"x" * LIMIT, "more_body": False}


def scope(announced: int, method: str = "POST", sender: str | None = None, kind: str = "image/png") -> Scope:
    headers = [(b"content-length", str(announced).encode()), (b"content-type", kind.encode())]
    return {"type": "http", "method": method, "headers": headers, SENDER: sender}


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()


async def silence() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def at_once() -> Message:
    return WHOLE


async def nothing(_: Message) -> None:
    """Send nothing."""


@pytest.fixture
async def limits() -> BodyLimit:
    """Give limits that one body alone fills."""
    return BodyLimit(read, LIMIT, LIMIT, part_seconds=0.05)


async def test_a_body_that_does_not_come_gives_its_place_back(limits: BodyLimit) -> None:
    with pytest.raises(HTTPException, match="408") as caught:
        await limits(scope(LIMIT), silence, nothing)
    assert caught.value.headers == {"Connection": "close"}
    await limits(scope(LIMIT), at_once, nothing)


async def test_a_place_is_kept_from_others_meanwhile(limits: BodyLimit) -> None:
    waiting = asyncio.create_task(limits(scope(LIMIT), silence, nothing))
    await asyncio.sleep(0)
    with pytest.raises(HTTPException, match="503"):
        await limits(scope(LIMIT), at_once, nothing)
    with pytest.raises(HTTPException, match="408"):
        await waiting


@pytest.mark.parametrize(
    ("size", "expected"),
    [(FEW_BYTES, nullcontext()), (FEW_BYTES + 1, pytest.raises(HTTPException, match="503"))],
)
async def test_large_ones_leave_room_for_small_ones(size: int, expected: AbstractContextManager[object]) -> None:
    limits = BodyLimit(read, 1_000_000, 1_000_000, part_seconds=0.05)
    waiting = asyncio.create_task(limits(scope(900_000), silence, nothing))
    await asyncio.sleep(0)
    whole: Message = {"type": "http.request", "body": b"x" * size, "more_body": False}

    async def receive() -> Message:
        return whole

    with expected:
        await limits(scope(size), receive, nothing)
    with pytest.raises(HTTPException, match="408"):
        await waiting


@pytest.mark.parametrize("headers", [[], [(b"content-type", b"application/json")]])
async def test_what_bears_no_type_is_taken_for_json(headers: list[tuple[bytes, bytes]]) -> None:
    limits = BodyLimit(read, LIMIT, LIMIT, part_seconds=0.05)
    announced = {**scope(0), "headers": [(b"content-length", b"20000"), *headers]}
    waiting = asyncio.create_task(limits(announced, silence, nothing))
    await asyncio.sleep(0)
    with pytest.raises(HTTPException, match="take 80000 bytes"):
        await limits(scope(LIMIT), at_once, nothing)
    with pytest.raises(HTTPException, match="408"):
        await waiting


async def test_who_follows_a_stream_takes_no_place_whatever_is_announced(limits: BodyLimit) -> None:
    following = asyncio.create_task(limits(scope(LIMIT, "GET"), silence, nothing))
    await asyncio.sleep(0.1)
    assert not following.done()
    await limits(scope(LIMIT), at_once, nothing)
    following.cancel()


async def test_what_is_told_after_the_body_may_take_as_long_as_it_likes() -> None:
    parts = iter([WHOLE])

    async def receive() -> Message:
        return next(parts, None) or await silence()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read(scope, receive, send)
        async with asyncio.timeout(0.2):
            await receive()

    with pytest.raises(TimeoutError):
        await BodyLimit(app, LIMIT, LIMIT, part_seconds=0.01)(scope(LIMIT), receive, nothing)


async def test_a_small_body_has_no_timer_to_pay_for(limits: BodyLimit) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(limits(scope(SMALL_BYTES), silence, nothing), 0.2)


async def test_a_small_body_takes_no_place_until_it_comes(limits: BodyLimit) -> None:
    waiting = asyncio.create_task(limits(scope(SMALL_BYTES), silence, nothing))
    await asyncio.sleep(0)
    await limits(scope(LIMIT), at_once, nothing)
    waiting.cancel()


def trickle() -> Receive:
    """Return what gives a byte now and then, each well before a part is overdue."""

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    return receive


@pytest.mark.parametrize("announced", [LIMIT, SMALL_BYTES])
async def test_a_body_that_trickles_gives_its_place_back(limits: BodyLimit, announced: int) -> None:
    with pytest.raises(HTTPException, match="too slowly"):
        await asyncio.wait_for(limits(scope(announced), trickle(), nothing), 1)
    await limits(scope(LIMIT), at_once, nothing)


async def test_a_body_that_comes_at_a_fair_rate_may_take_longer_than_a_part() -> None:
    parts = iter([{"type": "http.request", "body": b"x" * 2_000, "more_body": more} for more in [True] * 9 + [False]])

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return next(parts)

    await BodyLimit(read, LIMIT, LIMIT, part_seconds=0.04)(scope(20_000), receive, nothing)


async def test_no_sender_takes_more_place_than_is_left_to_others() -> None:
    limits = BodyLimit(read, LIMIT, LIMIT, part_seconds=0.2)
    quarter = LIMIT // 4
    waiting = [asyncio.create_task(limits(scope(quarter, sender="ann"), silence, nothing)) for _ in range(2)]
    await asyncio.sleep(0)
    whole: Message = {"type": "http.request", "body": b"x" * quarter, "more_body": False}

    async def receive() -> Message:
        return whole

    with pytest.raises(HTTPException, match="429") as caught:
        await limits(scope(quarter, sender="ann"), receive, nothing)
    assert caught.value.headers == {"Retry-After": "1", "Connection": "close"}
    await limits(scope(quarter, sender="bob"), receive, nothing)
    await limits(scope(quarter), receive, nothing)
    for one in waiting:
        with pytest.raises(HTTPException, match="408"):
            await one
    await limits(scope(quarter, sender="ann"), receive, nothing)
