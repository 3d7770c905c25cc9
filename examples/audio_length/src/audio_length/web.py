"""Parts of the file at a URL, over the transport that leads nowhere inside, and what its server's refusals mean.

What another attempt may mend (nobody answers, 429, 5xx) is told apart from what none can (404, a file too large).

Forbidden here: what is in the file.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

from warren import Fail, Retry
from warren.outbound.addresses import Allowed
from warren.outbound.transport import Answer, Outbound

PART_SECONDS: Final = 30.0
"""How long one request may take, with the reading of what it answers."""
IN_MEMORY: Final = 1024 * 1024
"""From how many bytes on a file that comes whole lies on disk."""
LONGEST_PAUSE: Final = 3600
"""How long a server's wish for patience is heard, in seconds."""

CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


@dataclass(frozen=True)
class Part:
    """Some bytes of a file, and what its server says of the file."""

    start: int
    data: bytes
    size: int
    """The whole file's."""
    version: str
    """Another one is another file."""
    media_type: str


@dataclass(frozen=True)
class Whole:
    """All of a file, from a server that does not give parts of it."""

    file: BinaryIO
    media_type: str


@dataclass(frozen=True)
class Web:
    """The way to one file."""

    url: str
    allowed: Allowed
    most_bytes: int

    async def begin(self, count: int) -> Part | Whole:
        """Return the file's first bytes, or all of it where its server gives no parts.

        Raises:
            Fail: no attempt can have it.
            Retry: another attempt may.
            UnreachableError: there was no answer.
            UrlRefusedError: the URL leads to where nothing may be fetched.

        """
        async with Outbound(self.allowed) as outbound, self._request(outbound, 0, count) as answer:
            if answer.status == HTTPStatus.PARTIAL_CONTENT:
                return await self._part(answer, 0, count)
            return await self._whole(answer)

    async def part(self, start: int, count: int, *, of: Part) -> Part:
        """Return a later part of the file that an earlier one is of. Raises what `begin` raises."""
        async with Outbound(self.allowed) as outbound, self._request(outbound, start, count) as answer:
            found = await self._part(answer, start, count)
        if (found.size, found.version) != (of.size, of.version):
            raise Retry(f"the file at {self.host} was changed while it was read")
        return found

    @property
    def host(self) -> str:
        """Whom messages name: the rest of a URL may hold a secret."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def _request(self, outbound: Outbound, start: int, count: int) -> AbstractAsyncContextManager[Answer]:
        headers = {"range": f"bytes={start}-{start + count - 1}"}
        return outbound.send("GET", self.url, headers=headers, seconds=PART_SECONDS)

    async def _part(self, answer: Answer, start: int, count: int) -> Part:
        self._check(answer)
        told = CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status != HTTPStatus.PARTIAL_CONTENT or told is None or int(told[1]) != start:
            raise Fail("bad-answer", f"{self.host} does not give the part of the file that it was asked for")
        data = await answer.read(count)
        if not data:
            raise Retry(f"{self.host} sent nothing of the part of the file that it was asked for")
        version = answer.headers.get("etag") or answer.headers.get("last-modified", "")
        return Part(start, data, int(told[2]), version, _media_type(answer))

    async def _whole(self, answer: Answer) -> Whole:
        self._check(answer)
        told = answer.headers.get("content-length", "")
        size = int(told) if told.isdecimal() else None
        if size is not None and size > self.most_bytes:
            raise self._too_large(f"the file has {size} bytes")
        with ExitStack() as otherwise:
            file = otherwise.enter_context(_empty())
            async for piece in answer.pieces():
                if file.tell() + len(piece) > self.most_bytes:
                    raise self._too_large("the file is larger")
                file.write(piece)
            otherwise.pop_all()
        file.seek(0)
        return Whole(file, _media_type(answer))

    def _too_large(self, what: str) -> Fail:
        return Fail(
            "too-large",
            f"{what}, {self.host} gives no parts of it, and {self.most_bytes} bytes at most are read of a file "
            "(AUDIO_LENGTH_MOST_BYTES)",
        )

    def _check(self, answer: Answer) -> None:
        status, said = answer.status, f"{self.host} answers {answer.status}"
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise Fail("not-found", f"{said}: there is no such file")
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise Fail("not-audio", f"the file at {self.host} is empty")
        if answer.in_trouble:
            raise Retry(said, after=answer.retry_after(LONGEST_PAUSE))
        if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise Fail("refused", f"{said}: it does not give the file to us")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise Fail("bad-answer", f"{self.host} sends the file compressed, which nobody asked for")


def _empty() -> BinaryIO:
    return cast("BinaryIO", SpooledTemporaryFile(IN_MEMORY))


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()
