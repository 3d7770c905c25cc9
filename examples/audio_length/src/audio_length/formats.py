"""What an audio file says about its length: the adapter of tinytag.

Forbidden elsewhere: tinytag.
"""

from __future__ import annotations

import io
import re
import struct
from typing import BinaryIO, Final

from tinytag import TinyTag, TinyTagException

from audio_length import ogg
from warren import Fail, Retry
from warren.errors import WarrenError

FORMATS: Final = "wav, mp3, flac and ogg"
SIGNATURES: Final = {
    "wav": re.compile(rb"RIFF....WAVE", re.DOTALL),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "mp3": re.compile(rb"ID3|\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]"),
}
"""What files begin with; an mp3 without tags with eleven bits of 1, a version, and its layer. The other layers, which
would be raw AAC and the mark of UTF-16 texts, are not taken: in any data something is found that looks like sound."""
AUDIO_LIKE: Final = ("audio/", "video/", "application/ogg", "application/octet-stream", "binary/octet-stream")
TOLERANCE: Final = 1.05
"""By how much a wav may promise more than it holds: the bytes a second are rounded."""
BYTES_PER_KILOBIT: Final = 125
UNTOLD: Final = 0x7FFFF000
"""From this size of a wav's sound on sox, arecord and ffmpeg say that they could not go back to tell it."""


def seconds_of(file: BinaryIO, media_type: str = "") -> float:
    """Return how long the audio plays, in seconds.

    An mp3 without an index is estimated from its first half minute. A wav that does not know its own length, since it
    was streamed, plays for as long as its bytes last.

    Raises:
        Fail: the file is not audio, of another format, or cut off.

    """
    name = _format(file, media_type)
    seconds = ogg.seconds_of(file) if name == "ogg" else _told(file, name)
    if not seconds and name == "flac":
        raise Fail("untold", "the flac does not say how long it plays: it was streamed when it was written")
    if not seconds:
        raise Fail("not-audio", f"the file begins like {name}, but holds no audio")
    return seconds


def _told(file: BinaryIO, name: str) -> float:
    """Return how long the file says that it plays; 0 where it does not."""
    try:
        found = TinyTag.get(file_obj=file, tags=False)
    except TinyTagException as error:
        # What the reading of the file raised says more than that its parsing failed.
        if isinstance(error.__cause__, Fail | Retry | WarrenError):
            raise error.__cause__ from None
        raise Fail("not-audio", f"the file begins like {name}, but cannot be read as that: {error}") from error
    seconds = found.duration or 0.0
    if name == "wav" and found.bitrate and seconds > TOLERANCE * _lasts(found.filesize, found.bitrate):
        start, size = _sound(file)
        if size < UNTOLD or not found.is_lossless:  # compressed, it has no bitrate of its own
            raise Fail("cut-off", f"the file says that it plays for {seconds:g} s, but is too short for that")
        return _lasts(found.filesize - start, found.bitrate)
    return seconds


def _sound(file: BinaryIO) -> tuple[int, int]:
    """Return where the sound of a wav begins that has any, and how many bytes it is said to have."""
    file.seek(12)
    while (chunk := struct.unpack("<4sI", file.read(8)))[0] != b"data":
        file.seek(chunk[1] + chunk[1] % 2, io.SEEK_CUR)
    return file.tell(), chunk[1]


def _lasts(size: int, kilobits: float) -> float:
    """Return for how long so many bytes play, at so many kilobits a second."""
    return max(0, size) / (kilobits * BYTES_PER_KILOBIT)


def _format(file: BinaryIO, media_type: str) -> str:
    """Return which of the formats the file begins like."""
    head = file.read(16)
    file.seek(0)
    for name, signature in SIGNATURES.items():
        if signature.match(head):
            return name
    if not head:
        raise Fail("not-audio", "the file is empty")
    code = "unsupported-format" if not media_type or media_type.startswith(AUDIO_LIKE) else "not-audio"
    said = f" and is said to be {media_type}" if media_type else ""
    raise Fail(code, f"the file begins with {head!r}{said}: only {FORMATS} can be read")
