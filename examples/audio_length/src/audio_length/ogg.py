"""How long an ogg file plays: page after page, since no place in it tells (RFC 3533).

A file may be a chain of links, one played after the other, as recorders of radio stations and `cat` leave them; each
begins with pages that say what follows. Where a link holds several streams, the longest counts.

Forbidden here: how the file is had.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

HEADER: Final = struct.Struct("<4sBBqI8xB")
FIRST: Final = 0x02
"""The flag of a stream's first page."""
OPUS_RATE: Final = 48_000


@dataclass
class Stream:
    """A stream of sound within a link."""

    rate: int
    """In samples a second."""
    skipped: int = 0
    """How many samples are not played."""
    last: int = 0
    """How many samples there are up to the end of the last page, with those that are not played."""

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return max(0, self.last - self.skipped) / self.rate


@dataclass(frozen=True)
class Page:
    """A page."""

    first: bool
    position: int
    """How many samples end with it; -1 where none does."""
    stream: int
    data: bytes


def seconds_of(file: BinaryIO) -> float:
    """Return how long all links of the file play, 0 where there is no sound; one that is cut off as far as it goes."""
    total, streams, within = 0.0, dict[int, Stream](), False
    for page in _pages(file):
        if page.first and within:
            total, streams = total + _longest(streams), {}
        within = not page.first
        if page.first and (stream := _stream(page.data)):
            streams[page.stream] = stream
        elif page.stream in streams and page.position > 0:
            streams[page.stream].last = page.position
    return total + _longest(streams)


def _pages(file: BinaryIO) -> Iterator[Page]:
    while len(header := file.read(HEADER.size)) == HEADER.size:
        magic, version, flags, position, stream, count = HEADER.unpack(header)
        size = sum(file.read(count))
        data = file.read(size)  # not passed over: what follows is then asked for in ever larger parts
        if magic != b"OggS" or version or len(data) < size:
            return
        yield Page(bool(flags & FIRST), position, stream, data)


def _longest(streams: dict[int, Stream]) -> float:
    return max((stream.seconds for stream in streams.values()), default=0.0)


def _stream(head: bytes) -> Stream | None:
    """Return the stream that begins so; None if it is none of sound."""
    for begins, read in _HEADS.items():
        if head.startswith(begins):
            try:
                stream = read(head)
            except struct.error:
                return None
            return stream if stream.rate > 0 else None
    return None


def _flac(head: bytes) -> Stream:
    return Stream(struct.unpack_from(">I", head, 27)[0] >> 12)


_HEADS: Final[dict[bytes, Callable[[bytes], Stream]]] = {
    b"\x01vorbis": lambda head: Stream(*struct.unpack_from("<I", head, 12)),
    b"OpusHead": lambda head: Stream(OPUS_RATE, *struct.unpack_from("<H", head, 10)),
    b"Speex   ": lambda head: Stream(*struct.unpack_from("<I", head, 36)),
    b"\x7fFLAC": _flac,
}
"""What a stream's first page begins with, and what is read of it."""
