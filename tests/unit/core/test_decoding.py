"""Whatever a client puts into a message's properties, the library that reads them goes on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pamqp.frame
import pytest
from pamqp import decode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from warren.broker.decoding import NO_TIME, tolerate

TYPE, MESSAGE_ID, TIMESTAMP, HEADERS = 1 << 5, 1 << 7, 1 << 6, 1 << 13


@pytest.fixture(autouse=True)
def _tolerant() -> Iterator[None]:
    before = (dict(decode.METHODS), dict(decode.TABLE_MAPPING))
    tolerate()
    yield
    decode.METHODS.update(before[0])
    decode.TABLE_MAPPING.update(before[1])


def read(flags: int, properties: bytes) -> Any:
    payload = struct.pack(">HHQH", Basic.frame_id, 0, 0, flags) + properties
    _, _, header = pamqp.frame.unmarshal(struct.pack(">BHI", 2, 1, len(payload)) + payload + b"\xce")
    assert isinstance(header, ContentHeader)
    return header.properties


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(*pairs: bytes) -> bytes:
    return struct.pack(">I", len(b"".join(pairs))) + b"".join(pairs)


def test_text_that_is_not_utf8_keeps_its_length_and_what_follows() -> None:
    read_back = read(TYPE | MESSAGE_ID, short(b"caf\xe9") + short(b"caf\xc3\xa9"))
    assert (read_back.message_id, read_back.message_type) == ("caf?", "caf\xe9")


@pytest.mark.parametrize("seconds", [2**63, 2**64 - 1])
def test_a_time_past_all_years_is_none(seconds: int) -> None:
    stamp = struct.pack(">Q", seconds)
    read_back = read(TIMESTAMP | HEADERS, table(short(b"at"), b"T", stamp) + stamp)
    assert (read_back.timestamp, read_back.headers) == (NO_TIME, {"at": NO_TIME})


def test_headers_whose_names_cannot_be_read_are_left_out() -> None:
    headers = table(short(b"\xff"), b"t", b"\x01")
    stamp = struct.pack(">Q", 1_750_000_000)
    read_back = read(TIMESTAMP | HEADERS, headers + stamp)
    assert (read_back.headers, read_back.timestamp) == ({}, datetime.fromtimestamp(1_750_000_000, UTC))
