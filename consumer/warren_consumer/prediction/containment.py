"""Tells whether an ONNX file keeps to itself, before anything loads it.

A tensor in an ONNX file may name another file as its data, with a path that leads anywhere (CVE-2022-25882,
CVE-2024-27318). A model of Warren is one file, so none may. The file is walked as protobuf, field by field, since the
consumer has no onnx package; only messages that can hold tensors are entered, and their raw data is skipped.

Forbidden here: onnx, onnxruntime.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH: Final = 200
_MAX_VARINT_BITS: Final = 63

_MESSAGES: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Which fields of which message (onnx.proto) hold which messages."""

_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


class ContainmentError(ValueError):
    """The file refers to data outside itself, or is no ONNX file."""


def check_contained(path: Path) -> None:
    """Return if the ONNX file refers to no other file.

    Raises:
        ContainmentError: it does, or it is not the protobuf that an ONNX file is.

    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ContainmentError("the model file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _walk(data, 0, len(data), "model", 0)


def _walk(data: mmap.mmap, start: int, end: int, kind: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ContainmentError("the model file is nested too deeply")
    inner = _MESSAGES[kind]
    for field, wire, value, size in _fields(data, start, end):
        if kind == "tensor" and (field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value)):
            detail = "the model file keeps tensors in another file; save it as one file, without external data"
            raise ContainmentError(detail)
        if wire == _LENGTH and field in inner:
            _walk(data, value, value + size, inner[field], depth + 1)


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (field, wire type, value or start, size) for each field of a message."""
    while start < end:
        key, start = _varint(data, start, end)
        wire = key & 7
        value, size = start, {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
        if wire == _VARINT:
            value, start = _varint(data, start, end)
        elif wire == _LENGTH:
            size, value = _varint(data, start, end)
            start = value
        elif wire not in (_FIXED64, _FIXED32):
            raise ContainmentError("the model file is no ONNX file")
        start += size
        if start > end:
            raise ContainmentError("the model file is cut off or no ONNX file")
        yield key >> 3, wire, value, size


def _varint(data: mmap.mmap, start: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _MAX_VARINT_BITS + 1, 7):
        if start >= end:
            break
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that more follows
            return value, start
    raise ContainmentError("the model file is cut off or no ONNX file")
