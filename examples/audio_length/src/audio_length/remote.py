"""A file that is read over the web as far as it is looked at, and no further than a limit.

Forbidden here: how its parts are had.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from audio_length.web import Part
from warren import Fail, report_progress

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_BYTES: Final = 64 * 1024
"""How much is asked for at first, and after every jump: the headers of most files."""
LARGEST_PART: Final = 4 * 1024 * 1024
"""How much is asked for at most, where the file is read on and on."""

Fetch = Callable[[int, int], Part]
"""Returns the part of so many bytes from a place on."""


class RemoteFile(io.RawIOBase):
    """The file, of which one part is in memory at a time: the next twice as long where it follows the last."""

    def __init__(self, first: Part, fetch: Fetch, most_bytes: int) -> None:
        super().__init__()
        self._part = first
        self._fetch = fetch
        self._most = most_bytes
        self._wanted = FIRST_BYTES
        self._place = 0
        self.read_bytes = len(first.data)
        """How many bytes came over the web so far."""

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that any place of it can be gone to."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is read there yet."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._part.size}[whence]
        if base + offset < 0:
            raise OSError("there is nothing before the beginning of a file")
        self._place = base + offset
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what the part at hand has, or else the next part. Raises what `fetch` raises, and `Fail`."""
        if self._place >= self._part.size:
            return 0
        offset = self._place - self._part.start
        if not 0 <= offset < len(self._part.data):
            self._get()
            offset = 0
        into = memoryview(buffer).cast("B")
        found = self._part.data[offset : offset + len(into)]
        into[: len(found)] = found
        self._place += len(found)
        return len(found)

    def _get(self) -> None:
        last = self._part
        follows = self._place == last.start + len(last.data)
        self._wanted = min(2 * self._wanted, LARGEST_PART) if follows else FIRST_BYTES
        count = min(self._wanted, last.size - self._place, self._most - self.read_bytes)
        if count <= 0:
            raise Fail(
                "too-large",
                f"of the file's {last.size} bytes more than {self._most} would have to be read to tell its length "
                "(AUDIO_LENGTH_MOST_BYTES)",
            )
        self._part = self._fetch(self._place, count)
        self.read_bytes += len(self._part.data)
        report_progress(self._place / last.size, f"{self.read_bytes} bytes read")
