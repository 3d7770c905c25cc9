"""Deliveries taken off a stream: against frames that the library writes, cut anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pamqp.frame
import pytest
from aiormq.connection import FrameReceiver
from aiormq.exceptions import AMQPConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from warren.broker.contents import read_message
from warren.broker.frames import publish_frames
from warren.broker.tap import PROOF_SECONDS, Tap, Tapped
from warren.message import Message

OURS, THEIRS = "ours", "theirs"


def delivery(tag: int, body: bytes = b"", *, channel: int = 1, consumer: str = OURS, step: int = 7) -> list[bytes]:
    deliver = Basic.Deliver(consumer, tag, tag % 2 == 0, "x", "cpu")
    bodies = [ContentBody(body[at : at + step]) for at in range(0, len(body), step)]
    header = ContentHeader(body_size=len(body), properties=Basic.Properties(message_id=str(tag)))
    frames: list[Basic.Deliver | ContentHeader | ContentBody] = [deliver, header, *bodies]
    return [pamqp.frame.marshal(frame, channel) for frame in frames]


async def through(chunks: Sequence[bytes]) -> tuple[list[Tapped], list[tuple[int, Any]]]:
    """Return what was taken, and what aiormq's own reader was left."""
    taken: list[Tapped] = []
    passed: list[tuple[int, Any]] = []
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    tap = Tap(stream, {OURS.encode(): taken.append})
    receiver = FrameReceiver(tap)  # type: ignore[arg-type]
    with suppress(AMQPConnectionError):
        async for _, channel, frame in receiver:
            passed.append((channel, frame))
    return taken, [(channel, frame) for channel, frame in passed if not isinstance(frame, Heartbeat)]


@settings(deadline=None, max_examples=50)
@given(body=st.binary(max_size=40), cuts=st.lists(st.integers(0, 700), max_size=8))
async def test_deliveries_are_taken_whole_and_all_else_passes_as_it_came(body: bytes, cuts: list[int]) -> None:
    ours, theirs = delivery(1, body), delivery(9, body, consumer=THEIRS, channel=2)
    answer = pamqp.frame.marshal(Basic.ConsumeOk(consumer_tag="late"), 1)
    interleaved = [ours[0], *theirs[:1], ours[1], pamqp.frame.marshal(Heartbeat(), 0), *theirs[1:], *ours[2:]]
    stream = b"".join([*interleaved, answer, *delivery(2, body, channel=2), answer])
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    chunks = [stream[begin:end] for begin, end in pairwise(places)]
    taken, passed = await through(chunks)
    assert [(one.channel, one.tag, one.redelivered, one.message.body) for one in taken] == [
        (1, 1, False, body),
        (2, 2, True, body),
    ]
    assert [one.message.message_id for one in taken] == ["1", "2"]
    names = [frame.name for _, frame in passed if not isinstance(frame, ContentBody)]
    assert names == ["Basic.Deliver", "ContentHeader", "Basic.ConsumeOk", "Basic.ConsumeOk"]
    assert b"".join(frame.value for _, frame in passed if isinstance(frame, ContentBody)) == body


async def test_a_delivery_that_is_broken_off_is_void() -> None:
    broken = delivery(1, b"x" * 20)[:3]
    taken, passed = await through(
        [b"".join([*broken, *delivery(2, b"whole"), *broken, *delivery(9, b"t", consumer=THEIRS)])]
    )
    assert [(one.tag, one.message.body) for one in taken] == [(2, b"whole")]
    assert [frame.name for _, frame in passed] == ["Basic.Deliver", "ContentHeader", "ContentBody"]


async def test_aiormq_hears_of_nothing_that_the_peer_did_not_send_while_nothing_is_delivered() -> None:
    stream = asyncio.StreamReader()
    stream.feed_data(pamqp.frame.marshal(Basic.ConsumeOk(consumer_tag="first"), 1))
    _, channel, frame = await FrameReceiver(Tap(stream, {})).get_frame()  # type: ignore[arg-type]
    assert (channel, frame.name) == (1, "Basic.ConsumeOk")  # a heartbeat before the connection is open ends it


@pytest.mark.usefixtures("hurry")
async def test_aiormq_hears_of_a_peer_that_sends_nothing_but_deliveries() -> None:
    stream, taken = asyncio.StreamReader(), list[Tapped]()
    receiver = FrameReceiver(Tap(stream, {OURS.encode(): taken.append}))  # type: ignore[arg-type]
    for tag in (1, 2, 3):
        stream.feed_data(b"".join(delivery(tag, b"body")))
        async with asyncio.timeout(1):
            _, channel, frame = await receiver.get_frame()
        assert (channel, type(frame)) == (0, Heartbeat)
        await asyncio.sleep(2 * PROOF_SECONDS)


@pytest.mark.usefixtures("hurry")
async def test_aiormq_hears_of_a_peer_of_which_one_delivery_takes_long() -> None:
    stream, taken = asyncio.StreamReader(), list[Tapped]()
    receiver = FrameReceiver(Tap(stream, {OURS.encode(): taken.append}))  # type: ignore[arg-type]
    for frame in delivery(1, b"a large body")[:-1]:
        stream.feed_data(frame)
        async with asyncio.timeout(1):
            _, channel, heard = await receiver.get_frame()
        assert (channel, type(heard)) == (0, Heartbeat)
        await asyncio.sleep(2 * PROOF_SECONDS)
    assert taken == []


texts = st.text(max_size=60)


@given(
    message=st.builds(
        Message,
        body=st.binary(max_size=20),
        content_type=texts,
        message_id=texts.filter(bool),
        type=st.none() | texts,
        correlation_id=st.none() | texts,
        reply_to=st.none() | texts,
        priority=st.integers(0, 255),
        headers=st.dictionaries(
            st.text(min_size=1, max_size=30).filter(lambda name: name not in {"x-death", "CC"}),
            st.one_of(st.integers(-(2**62), 2**62), st.booleans(), st.floats(allow_nan=False), texts),
            max_size=5,
        ),
        timestamp=st.integers(0, 2**32 - 1).map(float),
    )
)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    frames = publish_frames(
        message,
        message.message_id or "",
        exchange="",
        routing_key="cpu",
        mandatory=True,
        timestamp=int(message.timestamp or 0),
        channel=1,
        frame_max=4096,
    )
    method, _, _ = pamqp.frame.unmarshal(frames)
    size = pamqp.frame.frame_parts(frames[method:])[2] or 0
    header = frames[method + 7 : method + 7 + size]
    assert read_message(header[12:], message.body) == message


def test_properties_of_all_kinds_are_passed_over() -> None:
    sent = datetime.fromtimestamp(1_750_000_000, UTC)
    properties = Basic.Properties(
        content_encoding="utf-8", expiration="60", timestamp=sent, message_type="echo", user_id="me", app_id="app"
    )
    message = read_message(properties_of(properties), b"")
    assert (message.type, message.timestamp, message.content_type) == ("echo", 1_750_000_000.0, "")


def properties_of(properties: Basic.Properties) -> bytes:
    return ContentHeader(properties=properties).marshal()[12:]


@pytest.mark.parametrize("properties", [b"", b"\x80\0\x09short", b"\x20\0\0\0\0\xff"])
def test_properties_that_cannot_be_read_are_as_good_as_none(properties: bytes) -> None:
    assert read_message(properties, b"body") == Message(b"body", content_type="")


def test_tables_within_tables_without_end_are_as_good_as_none() -> None:
    table = b""
    for _ in range(2000):
        table = b"\x01aF" + len(table).to_bytes(4, "big") + table
    assert read_message(b"\x20\0" + len(table).to_bytes(4, "big") + table, b"") == Message(b"", content_type="")


def test_a_text_that_is_no_utf_8_is_read_as_far_as_it_goes() -> None:
    assert read_message(b"\x80\0\x02a\xff", b"") == Message(b"", content_type="a?")
