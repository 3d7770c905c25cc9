"""What an audio file says about its length: the adapter of tinytag.

Forbidden elsewhere: tinytag.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Final

from tinytag import TinyTag, TinyTagException

from warren import Fail, Retry
from warren.errors import WarrenError

FORMATS: Final = "wav, mp3, flac and ogg"
SIGNATURES: Final = {
    "wav": re.compile(rb"RIFF....WAVE", re.DOTALL),
    "flac": re.compile(rb"fLaC"),
    "ogg": re.compile(rb"OggS"),
    "mp3": re.compile(rb"ID3|\xff[\xe0-\xff]"),
}
"""What files begin with; an mp3 without tags with eleven bits of 1."""
AUDIO_LIKE: Final = ("audio/", "video/", "application/ogg", "application/octet-stream", "binary/octet-stream")
TOLERANCE: Final = 1.05
"""By how much a wav may promise more than it holds: the bytes a second are rounded."""
BYTES_PER_KILOBIT: Final = 125


def seconds_of(file: BinaryIO, media_type: str = "") -> float:
    """Return how long the audio plays, in seconds; an mp3 without an index is estimated from its first half minute.

    Raises:
        Fail: the file is not audio, of another format, or cut off.

    """
    name = _format(file, media_type)
    try:
        found = TinyTag.get(file_obj=file, tags=False)
    except TinyTagException as error:
        # What the reading of the file raised says more than that its parsing failed.
        if isinstance(error.__cause__, Fail | Retry | WarrenError):
            raise error.__cause__ from None
        raise Fail("not-audio", f"the file begins like {name}, but cannot be read as that: {error}") from error
    if not found.duration:
        raise Fail("not-audio", f"the file begins like {name}, but holds no audio")
    if name == "wav" and found.bitrate and found.duration > TOLERANCE * _most_seconds(found):
        raise Fail("cut-off", f"the file says that it plays for {found.duration:g} s, but is too short for that")
    return found.duration


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


def _most_seconds(found: TinyTag) -> float:
    """Return for how long a file of that size and bitrate can play."""
    return found.filesize / ((found.bitrate or 0) * BYTES_PER_KILOBIT)
