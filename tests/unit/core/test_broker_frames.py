"""The frames of a publish, read back by the library that reads the broker's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from warren.broker.frames import publish_frames
from warren.message import Message

FRAME_MAX = 4096
SENT = datetime.fromtimestamp(1_750_000_000, UTC)


def frames(message: Message, *, mandatory: bool = True, exchange: str = "warren.tasks") -> list[Any]:
    written = publish_frames(
        message,
        message.message_id or "made-up",
        exchange=exchange,
        routing_key="cpu",
        mandatory=mandatory,
        timestamp=1_750_000_000,
        channel=7,
        frame_max=FRAME_MAX,
    )
    return list(parsed(written))


def parsed(written: bytes) -> Iterator[Any]:
    while written:
        length, channel, frame = pamqp.frame.unmarshal(written)
        assert channel == 7
        assert length <= FRAME_MAX
        yield frame
        written = written[length:]


texts = st.text(max_size=60)
not_utf8 = st.binary(max_size=20).map(lambda raw: raw + b"\xe9")
decimals = st.builds(
    lambda digits, scale: Decimal(digits).scaleb(-scale), st.integers(-(2**31), 2**31 - 1), st.integers(0, 255)
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.integers(-(2**62), 2**62)
    | st.booleans()
    | st.floats(allow_nan=False)
    | texts
    | not_utf8
    | st.builds(bytearray, st.binary(max_size=20))
    | decimals,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=30), inner, max_size=3),
    max_leaves=6,
)
names = st.text(min_size=1, max_size=30).filter(lambda name: name not in {"x-death", "CC"})
headers = st.dictionaries(names, values, max_size=6)


@given(
    message=st.builds(
        Message,
        body=st.binary(max_size=100),
        content_type=texts,
        message_id=st.none() | texts.filter(bool),
        type=st.none() | texts,
        correlation_id=st.none() | texts,
        reply_to=st.none() | texts,
        priority=st.integers(0, 9),
        headers=headers,
    ),
    mandatory=st.booleans(),
)
def test_what_is_written_is_what_the_library_reads(message: Message, *, mandatory: bool) -> None:
    publish, header, *body = frames(message, mandatory=mandatory)
    assert isinstance(publish, Basic.Publish)
    assert isinstance(header, ContentHeader)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("warren.tasks", "cpu", mandatory)
    said = header.properties
    assert (said.content_type, said.message_type, said.correlation_id, said.reply_to, said.message_id) == (
        message.content_type,
        message.type,
        message.correlation_id,
        message.reply_to,
        message.message_id or "made-up",
    )
    assert (said.delivery_mode, said.priority, said.timestamp) == (2, message.priority, SENT)
    assert said.headers == message.headers
    assert header.body_size == len(message.body)
    assert b"".join(part.value for part in body) == message.body


@pytest.mark.parametrize("size", [0, 1, FRAME_MAX - 9, FRAME_MAX - 8, FRAME_MAX - 7, 3 * FRAME_MAX])
def test_a_body_of_any_size_is_cut_into_frames_that_the_broker_takes(size: int) -> None:
    _, header, *body = frames(Message(b"x" * size))
    assert header.body_size == size
    assert all(isinstance(part, ContentBody) for part in body)
    assert sum(len(part.value) for part in body) == size


def test_equal_numbers_of_different_types_stay_what_they_are() -> None:
    values = [1, True, 1.0, 0, False, 0.0]
    read = [frames(Message(b"", headers={"n": value}))[1].properties.headers["n"] for value in values]
    assert [(type(value), value) for value in read] == [(type(value), value) for value in values]


def test_the_brokers_own_note_of_a_messages_way_and_further_ways_are_left_out() -> None:
    message = Message(b"", headers={"x-death": [{"count": 1}], "CC": ["warren.tasks.cpu"], "warren-protocol": 1})
    assert frames(message)[1].properties.headers == {"warren-protocol": 1}


def test_what_is_too_long_for_amqp_is_named() -> None:
    with pytest.raises(ValueError, match="255 bytes at most here, not 300: 'ttt"):
        frames(Message(b"", type="t" * 300))


@pytest.mark.parametrize("room", [0, 1])
def test_properties_that_fit_into_no_frame_are_refused_before_the_broker_ends_the_connection(room: int) -> None:
    _, header = frames(Message(b"", headers={"note": ""}))
    taken = len(pamqp.frame.marshal(header, 7))
    message = Message(b"", headers={"note": "x" * (FRAME_MAX - taken + room)})
    if room:
        with pytest.raises(ValueError, match=f"{FRAME_MAX + 1} bytes, and the broker takes {FRAME_MAX} at most"):
            frames(message)
    else:
        assert len(frames(message)) == 2
